"""Names of batches: deterministic, so that the same work has the same name after a crash."""

import re
from collections.abc import Iterable
from hashlib import blake2b

from millstream.core.model import FileRef

PIPELINE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def minibatch_id(pipeline: str, *, seq: int) -> str:
    """The id of the `seq`-th minibatch of a pipeline, such as `clicks-00000017`."""
    return f"{pipeline}-{seq:08d}"


def bucket_id(pipeline: str, *, files: Iterable[FileRef], evicted_from: str = "") -> str:
    """The id of the bucket that holds exactly these versions of these files, whatever their order.

    A file that had to leave a bucket gets one of its own: `evicted_from` is the id of the one it left, so that a
    file which is put back as it was before does not meet the name of a bucket that is over.
    """
    digest = blake2b(evicted_from.encode(), digest_size=8)
    for path, version in sorted((file.path, file.version) for file in files):
        digest.update(f"{path}\0{version}\0".encode())
    return f"{pipeline}-{digest.hexdigest()}"
