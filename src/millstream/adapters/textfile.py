"""A text file as a source of records, resumed where reading stopped and followed over rotations.

Theory of operation: the offset is all the state there is. A block is whatever whole records lie at the offset; a
record that is not complete yet is simply read again later. A position knows its file by the inode and the head,
not by the name, so a file that was renamed is found again, and one that was truncated and written anew is not
taken for the old one. All work on the file is done by one thread, in order, so a cancelled `read` loses nothing.

What cannot be found again: lines that were truncated away before they were read, and a file that came and was
rotated away while nobody looked.
"""

import asyncio
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from millstream.core.model import Lines
from millstream.errors import RecordTooLongError, SourceError
from millstream.ports import Clock

HEAD_BYTES = 1024
"""As much of the start of a file, at most, tells it from others."""

HINTS = {
    errno.ENOENT: "check the path",
    errno.EACCES: "give the user of this process the right to read it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    """How far which file was read; `path` is there for people."""

    path: str
    inode: int
    offset: int
    head_bytes: int
    head_sha256: str


class _OpenFile:
    """An open file and the offset up to which its records were taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would wait for its writer
        self._offset = 0
        self._head = b""
        mode = os.fstat(self._fd).st_mode
        if not stat.S_ISREG(mode):
            self.close()
            if stat.S_ISDIR(mode):
                hint = "name a file in it, or let `millstream files` work the folder"
                raise SourceError(source=str(path), reason="is a folder", hint=hint)
            hint = "let it write into standard input, with - as the source"
            raise SourceError(source=str(path), reason="is not a regular file", hint=hint)

    def close(self) -> None:
        os.close(self._fd)

    def resume(self, position: _Position) -> bool:
        """Go to `position`; False when it is not about this file."""
        now = os.fstat(self._fd)
        head = os.pread(self._fd, position.head_bytes, 0)
        if (
            now.st_ino != position.inode
            or now.st_size < position.offset
            or hashlib.sha256(head).hexdigest() != position.head_sha256
        ):
            return False
        self._go_to(position.offset)
        around = os.pread(self._fd, 2, self._offset - 1)
        if around[:1] != b"\n" and around[1:] == b"\n":
            self._go_to(self._offset + 1)  # the newline of a record that was taken without it
        return True

    def position(self) -> str:
        """Where reading stands, as `resume` takes it."""
        position = _Position(
            path=str(self._path),
            inode=os.fstat(self._fd).st_ino,
            offset=self._offset,
            head_bytes=len(self._head),
            head_sha256=hashlib.sha256(self._head).hexdigest(),
        )
        return json.dumps(asdict(position))

    def take(self, *, block_bytes: int, limit_bytes: int, complete: bool) -> bytes:
        """The next records of at most `limit_bytes`, b"" when there are none yet.

        `complete` says that the file will not grow, so its last record needs no newline. No more bytes are looked
        at than a block may hold, so a record that is too long always leaves them without a newline.
        """
        if self._was_rewritten():
            self._go_to(0)
        for window_bytes in (block_bytes, limit_bytes + 1):
            data = os.pread(self._fd, window_bytes, self._offset)
            length = data.rfind(b"\n") + 1
            if length:
                self._go_to(self._offset + length)
                return data[:length]
            if len(data) < window_bytes:
                if not complete or not data:
                    return b""
                self._go_to(self._offset + len(data))
                return data + b"\n"
        raise RecordTooLongError(source=str(self._path), limit_bytes=limit_bytes, at=self._offset)

    def was_succeeded(self, path: Path) -> bool:
        """Whether `path` names another file by now."""
        try:
            return not os.path.samestat(path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _was_rewritten(self) -> bool:
        return os.fstat(self._fd).st_size < self._offset or os.pread(self._fd, len(self._head), 0) != self._head

    def _go_to(self, offset: int) -> None:
        self._offset = offset
        if len(self._head) != min(offset, HEAD_BYTES):
            self._head = os.pread(self._fd, min(offset, HEAD_BYTES), 0)


class TextFile:
    """Reads records, each a line of any bytes, from the file at `path`.

    Without `follow` the input ends where the file ends, and a last line without a newline gets one. With `follow`
    there is no end: a last line waits for its newline, and every `poll_s` seconds (of the wall clock, as the writer
    knows no other) the file is looked at for more. When `path` has come to name another file, the old one is read
    to its end, given one more look, and then the new one is read; while `path` names nothing, it is waited for.

    A position leads on in the file with its inode and head: the one at `path` or, with `follow`, any in the same
    folder. If there is none, or it has become shorter than it was read, the file at `path` is read from its start.

    A block holds at most `block_bytes`, or `max_record_bytes` where a record is longer than a block. `read` raises
    RecordTooLongError for a record of more than `max_record_bytes`, not counting its newline; `open` and `read`
    raise SourceError when the file is missing at the start, cannot be read, or is no regular file.
    """

    replayable = True

    def __init__(
        self,
        path: str,
        clock: Clock,
        *,
        follow: bool = False,
        max_record_bytes: int,
        block_bytes: int = 1 << 20,
        poll_s: float = 0.2,
    ) -> None:
        self._path = Path(path).parent.resolve() / Path(path).name  # one name, however it was reached
        self.name = f"file:{self._path}"
        self.bounded = not follow
        self._clock = clock
        self._follow = follow
        self._limit_bytes = max_record_bytes
        self._block_bytes = min(block_bytes, max_record_bytes + 1)
        self._poll_s = poll_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="millstream-file")
        self._ended = asyncio.Event()
        # The thread's own, except that `read` takes `_found` while the thread rests.
        self._file: _OpenFile | None = None
        self._succeeded = False
        self._found: Lines | None = None

    async def open(self, position: str | None) -> None:
        """Continue after `position`, or at the start of the file."""
        await self._in_thread(lambda: self._start(position))

    async def read(self) -> Lines | None:
        """The next block, as soon as there is one; None at the end, and ever after."""
        while not self._ended.is_set():
            await self._in_thread(self._find)
            if self._found is not None:
                lines, self._found = self._found, None
                return lines
            if self._follow:
                await self._pause()
            else:
                self._ended.set()
        return None

    def leftovers(self) -> Lines | None:
        """None: what was not handed over is read again after a restart."""
        return None

    async def close(self) -> None:
        """Let go of the file; a waiting `read` ends."""
        self._ended.set()
        await asyncio.to_thread(self._thread.shutdown)
        self._let_go()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._ended.wait()

    async def _in_thread(self, step: Callable[[], None]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, step)
        except OSError as error:
            hint = HINTS.get(error.errno or 0, "")
            raise SourceError(source=str(self._path), reason=error.strerror or str(error), hint=hint) from error

    def _start(self, position: str | None) -> None:
        if position:
            self._resume(_Position(**json.loads(position)))
        if self._file is None and position and self._follow:
            self._open_path()
        elif self._file is None:
            self._file = _OpenFile(self._path)

    def _resume(self, position: _Position) -> None:
        """Open the file that `position` is about, unless it is gone."""
        paths = [self._path]
        if self._follow:
            with os.scandir(self._path.parent) as entries:
                same_inode = (entry for entry in entries if entry.inode() == position.inode)
                paths += [Path(entry.path) for entry in same_inode if entry.is_file()]
        for path in paths:
            with suppress(FileNotFoundError):
                self._file = _OpenFile(path)
                if self._file.resume(position):
                    return
                self._let_go()

    def _open_path(self) -> None:
        """Open the file that `path` names; while it names none there is nothing to read."""
        with suppress(FileNotFoundError):
            self._file = _OpenFile(self._path)

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._succeeded = False

    def _find(self) -> None:
        """Put the next block into `_found`, or leave None there if there is nothing now."""
        while self._found is None:
            if self._file is None:
                self._open_path()
            if self._file is None:
                return
            self._found = self._take(self._file)
            if self._found is not None or not self._follow:
                return
            if not self._succeeded:  # if it is now, its writer may still be adding to it: look once more
                self._succeeded = self._file.was_succeeded(self._path)
                return
            self._let_go()

    def _take(self, file: _OpenFile) -> Lines | None:
        read_at = self._clock.now()
        data = file.take(
            block_bytes=self._block_bytes,
            limit_bytes=self._limit_bytes,
            complete=self._succeeded or not self._follow,
        )
        if not data:
            return None
        return Lines(data=data, count=data.count(b"\n"), read_at=read_at, position=file.position())
