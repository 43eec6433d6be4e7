"""A file that is begun while the rest of the program still loads.

Theory of operation: loading numpy takes longer than scanning a hundred megabytes. So when it is clear that threads will
read a plain file, compiled code starts with it at once, in a thread that needs no interpreter; the readers ask here
first, and scan by themselves what is not at hand. It is known without numpy, and gives what the compiled scanner gives.
"""

from collections.abc import Sequence
from typing import Protocol

from millstream_native import HeadStart as _HeadStart

from millstream.counting.frames.fields import fields_named

Row = tuple[int, int, int, int, str]
ScannedRange = tuple[bytes, bytes, bytes, list[tuple[Row, bytes]], bool]


class BegunFile(Protocol):
    """A file that was looked at."""

    path: str
    size_bytes: int
    mtime_ns: int
    identity: tuple[int, int] | None


class HeadStart:
    """The first stretches of a plain file, each a first block and how many; used by many threads."""

    def __init__(self, file: BegunFile, *, uid: str, ts: str, stretches: Sequence[tuple[int, int]]) -> None:
        """Begin. Raises InvalidValueError for fields that cannot be, ValueError for a file without an identity."""
        if file.identity is None:
            raise ValueError("a file that others may open was expected")
        fields = fields_named(uid=uid, ts=ts)
        device, inode = file.identity
        self._file = file
        self._native = _HeadStart(
            file.path,
            device=device,
            inode=inode,
            size_bytes=file.size_bytes,
            uid=fields.uid,
            ts=fields.ts,
            stretches=stretches,
        )

    @property
    def is_over(self) -> bool:
        """Whether all that it may begin was begun, and is at hand."""
        return self._native.is_over

    def is_of(self, file: BegunFile) -> bool:
        """Whether it is this file, as it is now."""
        return _facts(file) == _facts(self._file)

    def take(self, path: str, *, first: int, count: int) -> ScannedRange | None:
        """What was found in this stretch; None if it is not at hand. With the first question no more is begun."""
        return self._native.take(first, count) if path == self._file.path else None

    def stop(self) -> None:
        """Begin no more; idempotent."""
        self._native.stop()


def _facts(file: BegunFile) -> tuple[object, ...]:
    return file.path, file.size_bytes, file.mtime_ns, file.identity
