"""The spool on a local disk: append-only logs in segment files.

Theory of operation: a log is a sequence of bytes with positions from 0; a segment file is named after the position
of its first byte, so the file names alone say where everything is. Appending only remembers the bytes; `sync` writes
them at their positions and calls fsync in a thread of its own, so the event loop never waits for the disk. What a
failed sync had written is simply written again at the same positions. How much of a log counts is known by the
ledger alone: `recover` cuts off what came after.
"""

import asyncio
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from millstream.errors import SpoolDamagedError

SUFFIX = ".seg"
READ_BYTES = 1 << 20


def segment_bases(folder: Path) -> list[int]:
    """The start positions of the segments in `folder`, ascending."""
    return sorted(int(entry.name.removesuffix(SUFFIX)) for entry in folder.glob(f"*{SUFFIX}"))


def segment_path(folder: Path, base: int) -> Path:
    """The file of the segment that starts at `base`."""
    return folder / f"{base:020d}{SUFFIX}"


def sync_folder(folder: Path) -> None:
    """Make a new or removed name in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SegmentReader:
    """Reads ranges of the logs below `folder`; any number may read while one spool appends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, log: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """The bytes of half-open `ranges`, in pieces of at most 1 MiB.

        Raises SpoolDamagedError where bytes are missing.
        """
        folder = self.folder / log
        bases = segment_bases(folder)
        for start, end in ranges:
            position = start
            while position < end:
                before = position
                base = max((b for b in bases if b <= position), default=None)
                if base is not None:
                    for piece in _read_segment(segment_path(folder, base), position - base, end - position):
                        position += len(piece)
                        yield piece
                if position == before:
                    raise _missing(folder, position, end)


def _read_segment(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length > 0 and (piece := file.read(min(length, READ_BYTES))):
            length -= len(piece)
            yield piece


def _missing(folder: Path, position: int, end: int) -> SpoolDamagedError:
    return SpoolDamagedError(path=str(folder), expected=f"bytes {position} to {end}", found=f"nothing at {position}")


def _reach(folder: Path, bases: Sequence[int]) -> int:
    """How far the segments reach, from the first one on, without a gap."""
    position = bases[0] if bases else 0
    for base in bases:
        if base != position:
            break
        position = _end_of(folder, base)
    return position


def _end_of(folder: Path, base: int) -> int:
    """The position behind the last byte of a segment."""
    return base + segment_path(folder, base).stat().st_size


class _Log:
    """One log: what is appended but not yet on disk, and the segment being written."""

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
        self.folder = folder
        self.segment_bytes = segment_bytes
        bases = segment_bases(folder)
        # Behind everything that is there: a log that nobody recovers is continued, not overwritten.
        self.end = _end_of(folder, bases[-1]) if bases else 0
        # Filled in the event loop, emptied in the spool's thread; a deque may be used by both at once.
        self._appended: deque[tuple[int, bytes]] = deque()
        self._writing: list[tuple[int, bytes]] = []
        self._base = 0
        self._file: int | None = None

    def recover(self, end: int) -> None:
        """Make `end` the end: see ports.Spool."""
        self.close()
        self._appended.clear()
        self._writing.clear()
        bases = segment_bases(self.folder)
        # A segment that starts at `end` is kept, and emptied: when all before it are forgotten, it alone says
        # that the log reaches that far.
        kept = [base for base in bases if base <= end]
        found = _reach(self.folder, kept)
        if found < end:
            raise SpoolDamagedError(
                path=str(self.folder), expected=f"{end} bytes in all", found=f"{found} bytes in all"
            )
        for base in bases[len(kept) :]:
            segment_path(self.folder, base).unlink()
        # Or a segment that was cut off could come back after a power loss, in the middle of newer ones.
        sync_folder(self.folder)
        self.end = end
        if kept:
            self._base = kept[-1]
            self._file = os.open(segment_path(self.folder, self._base), os.O_WRONLY)
            os.truncate(self._file, end - self._base)
            os.fsync(self._file)

    def append(self, data: bytes) -> int:
        start = self.end
        self._appended.append((start, data))
        self.end += len(data)
        return start

    def write(self) -> None:
        """Write and fsync everything appended; runs in the spool's thread.

        Nothing is forgotten before fsync succeeded: after a failure all of it is written again, because the
        kernel may have dropped the pages that it could not write.
        """
        while self._appended:
            self._writing.append(self._appended.popleft())
        for start, data in self._writing:
            self._place(start, data)
        if self._writing and self._file is not None:
            os.fsync(self._file)
        self._writing.clear()

    def _place(self, start: int, data: bytes) -> None:
        file = self._segment_for(start)
        view, offset = memoryview(data), start - self._base
        while view:
            written = os.pwrite(file, view, offset)
            view, offset = view[written:], offset + written

    def _segment_for(self, start: int) -> int:
        """The open segment that takes a piece starting at `start`; full ones are followed by a new one."""
        if self._file is not None and 0 <= start - self._base < self.segment_bytes:
            return self._file
        if self._file is not None:
            os.fsync(self._file)
            self.close()
        # Only the repetition of a failed write finds a segment that is not full.
        known = max((base for base in segment_bases(self.folder) if base <= start), default=None)
        self._base = known if known is not None and start - known < self.segment_bytes else start
        self._file = os.open(segment_path(self.folder, self._base), os.O_WRONLY | os.O_CREAT, 0o644)
        sync_folder(self.folder)
        return self._file

    def forget(self, before: int) -> int:
        freed = 0
        bases = segment_bases(self.folder)
        for base, following in pairwise(bases):
            if following <= before:
                path = segment_path(self.folder, base)
                freed += path.stat().st_size
                path.unlink()
        return freed

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class SegmentSpool:
    """Implements ports.Spool with one folder per log below `folder`."""

    def __init__(self, folder: Path, *, segment_bytes: int = 64 << 20) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._logs: dict[str, _Log] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self.read = SegmentReader(folder)

    def append(self, log: str, data: bytes) -> int:
        """See ports.Spool."""
        return self._log(log).append(data)

    async def sync(self) -> None:
        """See ports.Spool."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write_all)

    def recover(self, log: str, end: int) -> None:
        """See ports.Spool."""
        self._log(log).recover(end)

    def forget(self, log: str, before: int) -> int:
        """See ports.Spool."""
        return self._log(log).forget(before)

    def size_bytes(self) -> int:
        """See ports.Spool."""
        return sum(entry.stat().st_size for entry in self.folder.rglob(f"*{SUFFIX}"))

    def close(self) -> None:
        """See ports.Spool."""
        self._thread.shutdown(wait=True)
        for log in self._logs.values():
            log.close()

    def _log(self, name: str) -> _Log:
        if name not in self._logs:
            self._logs[name] = _Log(self.folder / name, segment_bytes=self._segment_bytes)
        return self._logs[name]

    def _write_all(self) -> None:
        for log in list(self._logs.values()):
            log.write()
