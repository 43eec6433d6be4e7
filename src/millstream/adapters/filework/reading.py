"""Read the files of a bucket, hashing on the way; and the work that is no more than that.

Theory of operation: more or fewer bytes than were listed mean that a file changed, which is an error. What was read
to its end leaves its checksum with the attempt, so that nobody need read it again.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from millstream.core.model import Done, FileRef
from millstream.errors import SourceError

BLOCK_BYTES = 1 << 20


class Bucket(Protocol):
    """What the work needs of a batch."""

    @property
    def id(self) -> str:
        """Its name, `[A-Za-z0-9._-]+`."""
        ...

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Its files."""
        ...


class Attempt(Protocol):
    """What the work needs of a context; `checksums` gets the SHA-256 of each file that was read, in hex by path."""

    attempt: int
    checksums: dict[str, str]

    @property
    def cancelled(self) -> bool:
        """Whether to stop; asked for every block."""
        ...

    def heartbeat(self) -> None:
        """Hears of every block."""
        ...


class Verify:
    """Reads every file of a bucket to its end and leaves its checksum."""

    def __call__(self, batch: Bucket, context: Attempt) -> Done:
        """Raises SourceError when a file has not the size that was listed, OSError when it cannot be read."""
        for file in batch.files:
            for _ in read_file(file, context=context):
                pass
        return done(batch, what="verified")


def read_file(file: FileRef, *, context: Attempt) -> Iterator[bytes]:
    """The bytes of a file in blocks; leaves its checksum.

    Raises SourceError, at the end, unless there are as many as were listed.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    for block in read_blocks(file.path, context=context):
        size_bytes += len(block)
        if size_bytes > file.size_bytes:
            break
        digest.update(block)
        yield block
    if size_bytes != file.size_bytes:
        found = "more" if size_bytes > file.size_bytes else f"only {size_bytes}"
        raise SourceError(
            source=file.where,
            reason=f"changed: it was listed with {file.size_bytes} bytes and now has {found}",
            hint="if it was still being written, raise --settle",
        )
    context.checksums[file.path] = digest.hexdigest()


def read_blocks(path: str, *, context: Attempt) -> Iterator[bytes]:
    """The bytes of any file in blocks; raises SourceError when the attempt is cancelled."""
    with open_file(path) as source:
        while block := source.read(BLOCK_BYTES):
            context.heartbeat()
            if context.cancelled:
                raise SourceError(source=path, reason="was not read to its end, as the attempt was cancelled")
            yield block


def open_file(path: str) -> BinaryIO:
    """Open a file for reading; a link, which must have taken its place since it was listed, is an OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def done(batch: Bucket, *, what: str) -> Done:
    """The outcome of work on a whole bucket."""
    return Done(f"{what} {len(batch.files)} files, {sum(file.size_bytes for file in batch.files)} bytes")
