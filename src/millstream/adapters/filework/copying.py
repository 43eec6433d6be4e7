"""The built-in work that copies the files of a bucket."""

import hashlib
import os
import sys
from dataclasses import KW_ONLY, dataclass
from errno import EIO
from pathlib import Path
from typing import BinaryIO

from millstream.adapters.filework.publishing import Publisher, sync
from millstream.adapters.filework.reading import Attempt, Bucket, done, read_blocks, read_file
from millstream.core.model import Done, FileRef


@dataclass(frozen=True, slots=True)
class CopyTo:
    """Copies every file of a bucket below `folder`, verified: what was written is read back and compared.

    A copy has the file's name relative to `base` or, when that is None, to its own root; `base` is needed where
    files of several roots may have the same name. It has the file's modification time, and replaces an older copy.
    """

    folder: str
    _: KW_ONLY
    base: str | None = None

    def __call__(self, batch: Bucket, context: Attempt) -> Done:
        """Idempotent. Raises SourceError when a file changed, OSError when it cannot be read or copied."""
        publisher = Publisher(batch_id=batch.id, attempt=context.attempt)
        for file in batch.files:
            with publisher.writing(self._target(file)) as output:
                for block in read_file(file, context=context):
                    output.write(block)
                _check_written(output, sha256=context.checksums[file.path], context=context)
                os.utime(output.fileno(), ns=(file.mtime_ns, file.mtime_ns))
        publisher.sync_folders()
        return done(batch, what="copied")

    def _target(self, file: FileRef) -> Path:
        name = file.name if self.base is None else Path(file.where).relative_to(self.base)
        return Path(self.folder, name)


def _check_written(output: BinaryIO, *, sha256: str, context: Attempt) -> None:
    """Compare what is on the disk with what was meant to be written."""
    sync(output)
    if sys.platform == "linux":  # elsewhere the check may be answered from memory
        os.posix_fadvise(output.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    digest = hashlib.sha256()
    for block in read_blocks(output.name, context=context):
        digest.update(block)
    if digest.hexdigest() != sha256:
        raise OSError(EIO, "the copy reads back different from what was written", output.name)
