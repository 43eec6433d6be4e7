"""Call a handler by itself: a batch and a context as a worker host would pass them."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from millstream.core.model import FileRef, Job, Kind
from millstream.runtime.batch import Batch, Context


def minibatch(
    records: Sequence[bytes], *, batch_id: str = "test-00000001", attempt: int = 1, key: str | None = None
) -> tuple[Batch, Context]:
    """A minibatch of `records` (without newlines) and the context of one attempt on it: `handler(*minibatch(...))`."""
    data = b"".join(record + b"\n" for record in records)
    job = Job(
        id=batch_id,
        kind=Kind.MINIBATCH,
        pipeline="test",
        attempt=attempt,
        fence=attempt,
        key=key,
        records=len(records),
        size_bytes=len(data),
        checksum=zlib.crc32(data),
    )
    return Batch(job, read=lambda _log, _ranges: iter([data])), Context(job)


def bucket(paths: Sequence[Path], *, batch_id: str = "test-bucket", attempt: int = 1) -> tuple[Batch, Context]:
    """A bucket of files that exist, and the context of one attempt on it."""
    job = Job(
        id=batch_id,
        kind=Kind.BUCKET,
        pipeline="test",
        attempt=attempt,
        fence=attempt,
        records=len(paths),
        size_bytes=sum(path.stat().st_size for path in paths),
        files=tuple(_reference(path.resolve()) for path in paths),
    )
    return Batch(job), Context(job)


def _reference(path: Path) -> FileRef:
    status = path.stat()
    return FileRef(
        path=str(path),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
        root=str(path.parent),
        name=path.name,
    )
