"""Standard input as a source of records.

Theory of operation: standard input is shared with the shell, so it must never be made non-blocking. A thread of its
own waits for bytes, cuts them after the last newline and hands blocks to the event loop; the start of a record that
has no newline yet stays with the thread. Blocks are not joined on the way, so `read_at` is exact: while two of them
wait for the engine the thread does not read, the pipe fills up, and the next block is the larger for it.
"""

import asyncio
import fcntl
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from millstream.core.model import Lines
from millstream.errors import RecordTooLongError, SourceError
from millstream.ports import Clock

PIPE_BYTES = 1 << 20
"""Linux gives a pipe 64 KiB; this is the most that it grants without privileges."""

BLOCKS_AHEAD = 1
"""So many blocks may wait for the engine while the thread reads one more."""


class StandardInput:
    """Reads records, each a line of any bytes, from a file descriptor until its end.

    A last line without a newline gets one. A block holds at most `block_bytes`, or `max_record_bytes` where a record
    is longer than a block. The descriptor stays open and keeps its flags. It cannot be read again, so there is no
    position; what was taken from it but not handed over is among the `leftovers`.

    `read` raises RecordTooLongError for a record of more than `max_record_bytes`, not counting its newline, and
    SourceError when the descriptor cannot be read; the records before are handed over first.
    """

    name = "stdin"
    bounded = True
    replayable = False

    def __init__(self, clock: Clock, *, fd: int = 0, max_record_bytes: int, block_bytes: int = 1 << 20) -> None:
        self._clock = clock
        self._fd = fd
        self._max_record_bytes = max_record_bytes
        self._block_bytes = min(block_bytes, max_record_bytes + 1)
        self._waiting: deque[Lines | SourceError | None] = deque()  # the last one says how the input ended
        self._room = threading.Semaphore(BLOCKS_AHEAD)
        self._arrived = asyncio.Event()
        self._thread: threading.Thread | None = None

    async def open(self, position: str | None) -> None:
        """Start to read."""
        del position  # standard input cannot be read again
        _enlarge_pipe(self._fd)
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(
            target=self._serve, args=(asyncio.get_running_loop(),), name="millstream-stdin", daemon=True
        )
        self._thread.start()

    async def read(self) -> Lines | None:
        """The next block, as soon as there is one; None at the end, and ever after."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        match self._waiting[0]:
            case Lines() as lines:
                self._waiting.popleft()
                self._room.release()
                return lines
            case None:
                return None
            case error:
                raise error

    def leftovers(self) -> Lines | None:
        """The blocks that wait, as one; stops the reading.

        The start of a record whose newline has not come is no record and goes with the rest of it.
        """
        self._end_thread()
        blocks = [item for item in self._waiting if isinstance(item, Lines)]
        if not blocks:
            return None
        for _ in blocks:
            self._waiting.popleft()
        return Lines(
            data=b"".join(block.data for block in blocks),
            count=sum(block.count for block in blocks),
            read_at=blocks[-1].read_at,
        )

    async def close(self) -> None:
        """Stop the reading; a waiting `read` ends."""
        self._end_thread()
        self._waiting.clear()
        self._waiting.append(None)
        self._arrived.set()

    def _end_thread(self) -> None:
        """Returns at once: the thread notices wherever it waits."""
        if self._thread is None:
            return
        os.close(self._stop)
        self._room.release()
        self._thread.join()
        self._thread = None
        os.close(self._stopped)

    # --- in the thread -------------------------------------------------------------------------------------------

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over blocks, and last how the input ended."""

        def hand_over(item: Lines | SourceError | None) -> None:
            self._waiting.append(item)
            loop.call_soon_threadsafe(self._arrived.set)

        try:
            for lines in self._blocks():
                hand_over(lines)
                self._room.acquire()
            hand_over(None)
        except SourceError as error:
            hand_over(error)
        except OSError as error:
            hand_over(SourceError(source=self.name, reason=f"cannot be read: {error.strerror}"))

    def _blocks(self) -> Iterator[Lines]:
        start = bytearray()  # of a record whose newline has not come yet
        at = 0  # its place in the input
        while chunk := self._chunk(held_bytes=len(start)):
            read_at = self._clock.now()
            cut = chunk.rfind(b"\n") + 1
            if cut:
                data = b"".join((start, memoryview(chunk)[:cut]))
                yield Lines(data=data, count=data.count(b"\n"), read_at=read_at)
                at += len(data)
                start.clear()
            start += memoryview(chunk)[cut:]
            if len(start) > self._max_record_bytes:
                raise RecordTooLongError(source=self.name, limit_bytes=self._max_record_bytes, at=at)
        if start and chunk is not None:
            yield Lines(data=bytes(start) + b"\n", count=1, read_at=self._clock.now())

    def _chunk(self, *, held_bytes: int) -> bytes | None:
        """The bytes that are there, as soon as there are some; b"" at the end, None when reading was stopped.

        No more are read than a block may hold. So a record that is too long is always noticed as the start of one.
        """
        limit_bytes = self._block_bytes if held_bytes < self._block_bytes else self._max_record_bytes + 1
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while self._stopped not in dict(poll.poll()):
            # Somebody else may have made the descriptor non-blocking, and taken the bytes.
            with suppress(BlockingIOError):
                return os.read(self._fd, limit_bytes - held_bytes)
        return None


def _enlarge_pipe(fd: int) -> None:
    """Let a pipe hold as much as one block; anything else is left as it is."""
    if sys.platform == "linux":
        with suppress(OSError):
            if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < PIPE_BYTES:
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
