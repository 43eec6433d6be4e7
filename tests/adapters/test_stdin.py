"""Standard input: records as they come, whatever the bytes, from real pipes."""

import asyncio
import fcntl
import os
import sys
import termios
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.stdin import PIPE_BYTES, StandardInput
from millstream.core.model import Lines
from millstream.errors import RecordTooLongError, SourceError
from millstream.testing.clock import ManualClock
from millstream.testing.source_suite import EndingSuite, MakeSource

T = TypeVar("T")


class CountingClock(ManualClock):
    """Knows how often it was asked, which is once for each piece of input that was read."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._changed = threading.Condition()

    def now(self) -> float:
        """The time."""
        now = super().now()
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
        return now

    async def pieces(self, number: int) -> None:
        """Return once so many pieces were read."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: self._asked == number, timeout=10)

        assert await asyncio.to_thread(wait)


class Pipe:
    """A pipe, its ends closed at most once."""

    def __init__(self) -> None:
        self.out, self._in = os.pipe()
        self._open = True

    def write(self, data: bytes) -> None:
        """Put bytes into the pipe."""
        os.write(self._in, data)

    def waiting_bytes(self) -> int:
        """How much nobody has read yet."""
        return int.from_bytes(fcntl.ioctl(self.out, termios.FIONREAD, bytes(4)), sys.byteorder)

    def end(self) -> None:
        """End the input."""
        if self._open:
            os.close(self._in)
            self._open = False


@contextmanager
def new_pipe() -> Iterator[Pipe]:
    """A pipe for one test."""
    pipe = Pipe()
    try:
        yield pipe
    finally:
        pipe.end()
        os.close(pipe.out)


@asynccontextmanager
async def reading(
    fd: int, *, clock: ManualClock | None = None, max_record_bytes: int = 1000, block_bytes: int = 1 << 20
) -> AsyncIterator[StandardInput]:
    """An open source, closed at the end."""
    source = StandardInput(clock or ManualClock(), fd=fd, max_record_bytes=max_record_bytes, block_bytes=block_bytes)
    await source.open(None)
    try:
        yield source
    finally:
        await source.close()


async def read_all(source: StandardInput) -> tuple[list[Lines], SourceError | None]:
    """Everything up to the end, and the error that ended it."""
    blocks = []
    try:
        while (lines := await source.read()) is not None:
            blocks.append(lines)
    except SourceError as error:
        return blocks, error
    return blocks, None


def run(scenario: Coroutine[None, None, T]) -> T:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, timeout=20))


class TestStandardInput(EndingSuite):
    """It is a source, one that cannot be read again."""

    records = 12

    @contextmanager
    def input(self) -> Iterator[MakeSource]:
        """A pipe with a few short blocks."""
        with new_pipe() as pipe:
            pipe.write(b"".join(b"record %d\n" % number for number in range(self.records)))
            pipe.end()
            yield lambda: StandardInput(ManualClock(), fd=pipe.out, max_record_bytes=100, block_bytes=30)


@settings(max_examples=150, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\x00\xff", b"12345678"]), max_size=60).map(b"".join),
    block_bytes=st.integers(1, 40),
    max_record_bytes=st.integers(1, 40),
)
def test_records_rejoin_wherever_blocks_are_cut(data: bytes, block_bytes: int, max_record_bytes: int) -> None:
    """The blocks are the input, up to the first record that is too long, in whole records of the stated number."""
    records = [record + b"\n" for record in data.split(b"\n")]
    if records[-1] == b"\n":
        records.pop()
    too_long = next((n for n, record in enumerate(records) if len(record) > max_record_bytes + 1), None)
    accepted = b"".join(records[:too_long])

    async def scenario() -> tuple[list[Lines], SourceError | None]:
        with new_pipe() as pipe:
            pipe.write(data)
            pipe.end()
            async with reading(pipe.out, max_record_bytes=max_record_bytes, block_bytes=block_bytes) as source:
                return await read_all(source)

    blocks, error = run(scenario())

    assert b"".join(block.data for block in blocks) == accepted
    assert all(block.data.endswith(b"\n") and block.count == block.data.count(b"\n") for block in blocks)
    assert all(len(block.data) <= max(block_bytes, max_record_bytes + 1) for block in blocks)
    assert isinstance(error, RecordTooLongError) == (too_long is not None)
    if error:
        assert f"starts at byte {len(accepted)} " in str(error)


def test_each_line_of_a_slow_input_is_there_at_once() -> None:
    """A line can be read while the input goes on."""

    async def scenario() -> list[bytes]:
        with new_pipe() as pipe:
            async with reading(pipe.out) as source:
                seen = []
                for line in (b"first\n", b"second\n"):
                    pipe.write(line)
                    lines = await source.read()
                    assert lines is not None
                    seen.append(lines.data)
                return seen

    assert run(scenario()) == [b"first\n", b"second\n"]


def test_a_line_waits_for_its_newline() -> None:
    """Half a line is no record, and is whole when the rest has come."""

    async def scenario() -> Lines | None:
        clock = CountingClock()
        with new_pipe() as pipe:
            async with reading(pipe.out, clock=clock) as source:
                pipe.write(b"hal")
                await clock.pieces(1)
                pipe.write(b"ves\n")
                return await source.read()

    lines = run(scenario())

    assert lines is not None
    assert (lines.data, lines.count) == (b"halves\n", 1)


def test_the_end_comes_after_the_last_line_and_stays() -> None:
    """A last line without newline is a record with one, and then there is nothing any more."""

    async def scenario() -> list[Lines | None]:
        with new_pipe() as pipe:
            pipe.write(b"one\ntwo")
            pipe.end()
            async with reading(pipe.out) as source:
                return [await source.read() for _ in range(4)]

    one, two, *nothing = run(scenario())

    assert [(lines.data, lines.count, lines.position) for lines in (one, two) if lines] == [
        (b"one\n", 1, ""),
        (b"two\n", 1, ""),
    ]
    assert nothing == [None, None]


def test_records_carry_the_time_of_their_arrival() -> None:
    """It is the time at which they were read, though the engine takes them later."""

    async def scenario() -> tuple[float, Lines | None, Lines | None]:
        clock = CountingClock()
        arrived_at = ManualClock.now(clock)
        with new_pipe() as pipe:
            async with reading(pipe.out, clock=clock) as source:
                pipe.write(b"early\n")
                await clock.pieces(1)
                clock.advance(60)
                pipe.write(b"late\n")
                await clock.pieces(2)
                clock.advance(60)
                return arrived_at, await source.read(), await source.read()

    arrived_at, early, late = run(scenario())

    assert early is not None
    assert late is not None
    assert (early.data, early.read_at) == (b"early\n", arrived_at)
    assert (late.data, late.read_at) == (b"late\n", arrived_at + 60)


def test_reading_stops_while_two_blocks_wait() -> None:
    """The rest stays in the pipe until the engine has taken a block."""

    async def scenario() -> tuple[int, int]:
        clock = CountingClock()
        with new_pipe() as pipe:
            pipe.write(b"123456789\n" * 5)
            async with reading(pipe.out, clock=clock, block_bytes=10) as source:
                await clock.pieces(2)
                before = pipe.waiting_bytes()
                await source.read()
                await clock.pieces(3)
                return before, pipe.waiting_bytes()

    assert run(scenario()) == (30, 20)


def test_a_cancelled_read_loses_nothing() -> None:
    """What comes after the cancellation goes to the next read, and so does what came at that moment."""

    async def scenario() -> bytes:
        taken = b""
        with new_pipe() as pipe:
            async with reading(pipe.out) as source:
                for number in range(50):
                    waiting = asyncio.create_task(source.read())
                    if number % 2:
                        await asyncio.sleep(0)
                    pipe.write(b"%d\n" % number)
                    await asyncio.sleep(0)
                    waiting.cancel()
                    with suppress(asyncio.CancelledError):
                        lines = await waiting
                        assert lines is not None
                        taken += lines.data
                pipe.end()
                blocks, _ = await read_all(source)
                return taken + b"".join(block.data for block in blocks)

    assert run(scenario()) == b"".join(b"%d\n" % number for number in range(50))


def test_an_error_comes_after_the_records_before_it_and_stays() -> None:
    """A record that is too long ends the input, and says so every time."""

    async def scenario() -> tuple[bytes, list[str]]:
        with new_pipe() as pipe:
            pipe.write(b"fine\n" + b"x" * 11 + b"\nlost\n")
            async with reading(pipe.out, max_record_bytes=10) as source:
                blocks, first = await read_all(source)
                _, again = await read_all(source)
                return b"".join(block.data for block in blocks), [str(first), str(again)]

    data, errors = run(scenario())

    assert data == b"fine\n"
    assert errors[0] == errors[1]
    assert "starts at byte 5 is longer than 10 bytes" in errors[0]


def test_close_ends_a_waiting_read_and_leaves_the_descriptor() -> None:
    """Closing twice is fine; the thread is gone; the descriptor is open, in blocking mode, for who comes next."""

    async def scenario() -> tuple[list[Lines | None], bytes]:
        with new_pipe() as pipe:
            async with reading(pipe.out) as source:
                waiting = asyncio.create_task(source.read())
                await asyncio.sleep(0)
                await source.close()
                await source.close()
                pipe.write(b"next")
                assert os.get_blocking(pipe.out)
                return [await waiting, await source.read()], os.read(pipe.out, 10)

    assert run(scenario()) == ([None, None], b"next")
    assert all(thread.name != "millstream-stdin" for thread in threading.enumerate())


def test_close_does_not_wait_for_a_reader_that_waits_for_room() -> None:
    """The thread ends also while blocks wait that nobody takes."""

    async def scenario() -> None:
        clock = CountingClock()
        with new_pipe() as pipe:
            pipe.write(b"1\n2\n3\n4\n")
            async with reading(pipe.out, clock=clock, block_bytes=2):
                await clock.pieces(2)

    run(scenario())

    assert all(thread.name != "millstream-stdin" for thread in threading.enumerate())


def test_leftovers_are_the_whole_records_that_wait() -> None:
    """They come as one block with the time of the last; half a record stays out, and reading is over."""

    async def scenario() -> tuple[Lines | None, Lines | None, Lines | None]:
        clock = CountingClock()
        with new_pipe() as pipe:
            async with reading(pipe.out, clock=clock) as source:
                pipe.write(b"1\n")
                await clock.pieces(1)
                clock.advance(5)
                pipe.write(b"2\n3\nhalf")
                await clock.pieces(2)
                return source.leftovers(), source.leftovers(), await source.read()

    left, nothing, end = run(scenario())

    assert left == Lines(data=b"1\n2\n3\n", count=3, read_at=ManualClock().now() + 5)
    assert nothing is None
    assert end is None


def test_a_regular_file_can_be_standard_input(tmp_path: Path) -> None:
    """`millstream stream - < FILE` works."""
    (tmp_path / "file").write_bytes(b"1\n2\n")

    async def scenario() -> bytes:
        with (tmp_path / "file").open("rb") as file:
            async with reading(file.fileno()) as source:
                blocks, _ = await read_all(source)
                return b"".join(block.data for block in blocks)

    assert run(scenario()) == b"1\n2\n"


def test_a_descriptor_that_others_made_non_blocking_can_be_read() -> None:
    """It is waited for all the same."""

    async def scenario() -> Lines | None:
        with new_pipe() as pipe:
            os.set_blocking(pipe.out, False)
            async with reading(pipe.out) as source:
                waiting = asyncio.create_task(source.read())
                await asyncio.sleep(0)
                pipe.write(b"here\n")
                return await waiting

    lines = run(scenario())

    assert lines is not None
    assert lines.data == b"here\n"


def test_what_cannot_be_read_is_an_error_of_the_source(tmp_path: Path) -> None:
    """A folder as standard input is told in one line."""

    async def scenario() -> SourceError | None:
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            async with reading(fd) as source:
                _, error = await read_all(source)
                return error
        finally:
            os.close(fd)

    assert str(run(scenario())) == "source: stdin: cannot be read: Is a directory"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe be enlarged")
def test_a_pipe_is_enlarged_but_never_shrunk() -> None:
    """A writer can be a block ahead."""

    async def scenario() -> int:
        with new_pipe() as pipe:
            async with reading(pipe.out):
                return fcntl.fcntl(pipe.out, fcntl.F_GETPIPE_SZ)

    assert run(scenario()) == PIPE_BYTES
