"""What every source must do, as pytest tests: a source of yours is right when a subclass of `SourceSuite` passes.

    class TestMySource(EndingSuite, ReplayingSuite):
        records = 12

        @contextmanager
        def input(self):
            with TemporaryDirectory() as folder:
                fill(folder, records=self.records)
                yield lambda: MySource(folder)

A source is tested by `SourceSuite`, one whose input has an end by `EndingSuite` as well, one that can be read again
from a position by `ReplayingSuite` as well; what it says of itself must agree with that.

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.source_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101 - a suite asserts

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import pairwise
from typing import TypeVar

from millstream.core.model import Lines
from millstream.ports import Source

Answer = TypeVar("Answer")
MakeSource = Callable[[], Source]
"""Makes a source on the same input each time, as a new process would; called in the event loop."""

PATIENCE_S = 30.0


def run(scenario: Coroutine[object, object, Answer]) -> Answer:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, PATIENCE_S))


@asynccontextmanager
async def opened(source: Source, *, position: str | None = None) -> AsyncIterator[Source]:
    """A source that is open, and closed at the end."""
    try:
        await source.open(position)
        yield source
    finally:
        await source.close()


def joined(blocks: list[Lines]) -> bytes:
    """The bytes of all blocks."""
    return b"".join(block.data for block in blocks)


class SourceSuite:
    """The conformance suite of ports.Source; override `input` and `records`, and `read` where time must be moved."""

    records: int
    """How many records each input has: several, in several blocks."""

    def input(self) -> AbstractContextManager[MakeSource]:
        """A new input, and how to make a source on it."""
        raise NotImplementedError

    async def read(self, source: Source) -> Lines | None:
        """One block, or the end, once what the source waits for has come."""
        return await source.read()

    async def read_on(self, source: Source, *, position: str | None = None, records: int) -> list[Lines]:
        """The blocks behind `position` up to the end or, where the input has none, up to so many records."""
        blocks: list[Lines] = []
        async with opened(source, position=position):
            while source.bounded or sum(block.count for block in blocks) < records:
                block = await self.read(source)
                if block is None:
                    break
                blocks.append(block)
        return blocks

    async def read_all(self, make_source: MakeSource) -> list[Lines]:
        """All blocks of a new input."""
        return await self.read_on(make_source(), records=self.records)

    def test_blocks_are_whole_records(self) -> None:
        """Each block has at least one record, as many newlines as it says, and ends with one."""
        with self.input() as make_source:
            blocks = run(self.read_all(make_source))

        assert len(blocks) > 1
        assert all(block.count == block.data.count(b"\n") > 0 for block in blocks)
        assert all(block.data.endswith(b"\n") for block in blocks)
        assert sum(block.count for block in blocks) == self.records

    def test_blocks_are_in_the_order_of_their_times(self) -> None:
        """The arrival times of blocks never step backwards."""
        with self.input() as make_source:
            blocks = run(self.read_all(make_source))

        assert all(earlier.read_at <= later.read_at for earlier, later in pairwise(blocks))

    def test_it_says_what_it_is(self) -> None:
        """Whether a source has an end, and can be read again, is what the suites are chosen by."""

        async def scenario(make_source: MakeSource) -> tuple[bool, bool]:
            source = make_source()
            return source.bounded, source.replayable

        with self.input() as make_source:
            bounded, replayable = run(scenario(make_source))

        assert (bounded, replayable) == (isinstance(self, EndingSuite), isinstance(self, ReplayingSuite))

    def test_the_same_input_has_the_same_name(self) -> None:
        """Positions are stored under it, so a new process must find it again."""

        async def scenario(make_source: MakeSource) -> tuple[str, str]:
            first, second = make_source(), make_source()
            return first.name, second.name

        with self.input() as make_source:
            first, second = run(scenario(make_source))

        assert first == second != ""

    def test_cancelling_a_read_loses_nothing(self) -> None:
        """Whenever a read that waits is cancelled, the next one returns what it would have returned."""

        async def read_impatiently(source: Source, *, passes: int) -> Lines | None:
            reading = asyncio.ensure_future(source.read())
            for _ in range(passes):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            return await self.read(source) if reading.cancelled() else reading.result()

        async def scenario(make_source: MakeSource) -> int:
            records = passes = 0
            async with opened(make_source()) as source:
                while records < self.records:
                    block = await read_impatiently(source, passes=passes % 5)
                    assert block is not None
                    records += block.count
                    passes += 1
            return records

        with self.input() as make_source:
            assert run(scenario(make_source)) == self.records

    def test_leftovers_are_what_cannot_be_read_again(self) -> None:
        """Only a source that is not replayable has any: whole records that follow those handed over."""

        async def scenario(make_source: MakeSource) -> tuple[bool, Lines, Lines | None]:
            async with opened(make_source()) as source:
                first = await self.read(source)
                assert first is not None
                return source.replayable, first, source.leftovers()

        with self.input() as make_source:
            replayable, first, left = run(scenario(make_source))

        assert left is None or not replayable
        if left is not None:
            assert left.count == left.data.count(b"\n") > 0
            assert first.count + left.count <= self.records

    def test_closing_is_idempotent(self) -> None:
        """A source may be closed twice, and without ever having been opened."""

        async def scenario(make_source: MakeSource) -> None:
            unused, used = make_source(), make_source()
            await unused.close()
            async with opened(used):
                await self.read(used)
            await used.close()

        with self.input() as make_source:
            run(scenario(make_source))


class EndingSuite(SourceSuite):
    """The suite of a source whose input has an end."""

    def test_the_end_stays_the_end(self) -> None:
        """A source whose input has ended says so each time that it is asked."""

        async def scenario(make_source: MakeSource) -> list[Lines | None]:
            async with opened(make_source()) as source:
                while await self.read(source) is not None:
                    pass
                return [await source.read(), await source.read()]

        with self.input() as make_source:
            assert run(scenario(make_source)) == [None, None]


class ReplayingSuite(SourceSuite):
    """The suite of a source that can be read again from a position."""

    def test_a_position_leads_on(self) -> None:
        """After a restart at the position of any block come the records behind that block, to the byte."""

        async def scenario(make_source: MakeSource) -> None:
            blocks = await self.read_all(make_source)
            left = self.records
            for number, block in enumerate(blocks, start=1):
                left -= block.count
                following = await self.read_on(make_source(), position=block.position, records=left)
                assert joined(following) == joined(blocks[number:])

        with self.input() as make_source:
            run(scenario(make_source))
