"""Simulated messages: the same for a seed, on time by the engine's clock, and continued after a restart."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from millstream import simulate
from millstream.adapters.simulator import MAX_RECORDS, SimulatedMessages
from millstream.core.model import Lines
from millstream.ports import Source
from millstream.testing.clock import ManualClock
from millstream.testing.source_suite import EndingSuite, MakeSource, ReplayingSuite

START_S = 1_700_000_000.0
T = TypeVar("T")


def source(clock: ManualClock, *, rate_per_s: float = 10 / 60, duration_s: float | None = None) -> SimulatedMessages:
    """The reference workload, unless a test says otherwise."""
    return SimulatedMessages(clock, rate_per_s=rate_per_s, duration_s=duration_s, seed=7)


def run(scenario: Coroutine[None, None, T]) -> T:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, timeout=20))


async def read_on_time(messages: Source, *, clock: ManualClock) -> Lines | None:
    """Read one block while the clock goes to whatever the source waits for."""
    reading = asyncio.create_task(messages.read())
    await clock.settle()
    if not reading.done():
        wakeup_s = clock.next_wakeup()
        assert wakeup_s is not None
        await clock.run_until(wakeup_s)
    return await reading


async def read_all(messages: Source, *, clock: ManualClock) -> list[Lines]:
    """Read a bounded source to its end."""
    blocks = []
    while (block := await read_on_time(messages, clock=clock)) is not None:
        blocks.append(block)
    return blocks


class MessagesInput(ReplayingSuite):
    """The input of both; the source waits for the clock of the engine."""

    duration_s: float | None = 120.0
    records = sum(1 for _ in simulate.messages(rate_per_s=10 / 60, duration_s=120.0, seed=7))

    @contextmanager
    def input(self) -> Iterator[MakeSource]:
        """Two minutes of messages."""
        self.clock = ManualClock(start_s=START_S)
        yield lambda: source(self.clock, duration_s=self.duration_s)

    async def read(self, source: Source) -> Lines | None:
        """Let time pass until the source has something."""
        return await read_on_time(source, clock=self.clock)


class TestSimulatedMessages(MessagesInput, EndingSuite):
    """It is a source."""


class TestEndlessMessages(MessagesInput):
    """The same without an end."""

    duration_s = None


def test_messages_come_at_the_time_that_they_name() -> None:
    """Each is handed over at the very moment at which it says that it was sent."""

    async def scenario() -> list[Lines]:
        clock = ManualClock(start_s=START_S)
        messages = source(clock, duration_s=1_800.0)
        await messages.open(None)
        return await read_all(messages, clock=clock)

    blocks = run(scenario())

    assert 200 < sum(block.count for block in blocks) < 400
    for block in blocks:
        assert block.count == block.data.count(b"\n") == 1
        assert json.loads(block.data)["sent_at"] == pytest.approx(block.read_at, abs=0.001)
    assert [json.loads(block.data)["id"] for block in blocks] == list(range(len(blocks)))


def test_a_bounded_source_ends_when_its_duration_is_over() -> None:
    """The end comes at the end of the duration, not with the last message, and stays."""

    async def scenario() -> tuple[float, Lines | None]:
        clock = ManualClock(start_s=START_S)
        messages = source(clock, duration_s=600.0)
        await messages.open(None)
        await read_all(messages, clock=clock)
        return clock.now(), await messages.read()

    ended_at, after = run(scenario())

    assert ended_at == START_S + 600.0
    assert after is None


def test_everything_that_is_due_comes_in_one_block() -> None:
    """A reader that was busy for ten minutes gets the messages of ten minutes at once."""

    async def scenario() -> tuple[Lines | None, float]:
        clock = ManualClock(start_s=START_S)
        messages = source(clock)
        await messages.open(None)
        clock.advance(600.0)
        block = await messages.read()
        following = asyncio.create_task(messages.read())
        await clock.wait_for_sleepers(1)
        next_s = clock.next_wakeup()
        following.cancel()
        assert next_s is not None
        return block, next_s

    block, next_s = run(scenario())

    assert block is not None
    assert block.count > 60
    assert block.read_at == START_S + 600.0
    assert all(json.loads(line)["sent_at"] <= block.read_at for line in block.data.splitlines())
    assert next_s > block.read_at


@pytest.mark.parametrize("crash_after", [0, 1, 5, 150])
def test_a_restart_continues_with_the_next_message_at_its_original_time(crash_after: int) -> None:
    """Whatever was handed over before, the whole is the same to the byte as without the restart."""

    async def whole() -> list[Lines]:
        clock = ManualClock(start_s=START_S)
        messages = source(clock, duration_s=1_800.0)
        await messages.open(None)
        return await read_all(messages, clock=clock)

    async def in_two() -> list[Lines]:
        clock = ManualClock(start_s=START_S)
        before = source(clock, duration_s=1_800.0)
        await before.open(None)
        blocks = []
        for _ in range(crash_after):
            block = await read_on_time(before, clock=clock)
            assert block is not None
            blocks.append(block)
        await before.close()
        after = source(clock, duration_s=1_800.0)
        await after.open(blocks[-1].position if blocks else None)
        return blocks + await read_all(after, clock=clock)

    assert run(in_two()) == run(whole())


def test_what_was_due_during_an_outage_comes_at_once() -> None:
    """After five minutes without an engine the messages of five minutes are waiting."""

    async def scenario() -> tuple[Lines, Lines | None]:
        clock = ManualClock(start_s=START_S)
        before = source(clock)
        await before.open(None)
        first = await read_on_time(before, clock=clock)
        assert first is not None
        clock.advance(300.0)
        after = source(clock)
        await after.open(first.position)
        return first, await after.read()

    first, waiting = run(scenario())

    assert waiting is not None
    assert waiting.count > 20
    assert [json.loads(line)["id"] for line in waiting.data.splitlines()] == list(range(1, waiting.count + 1))
    assert waiting.read_at == first.read_at + 300.0


def test_cancelling_a_read_loses_nothing() -> None:
    """The next read returns what the cancelled one waited for."""

    async def scenario() -> Lines | None:
        clock = ManualClock(start_s=START_S)
        messages = source(clock)
        await messages.open(None)
        cancelled = asyncio.create_task(messages.read())
        await clock.wait_for_sleepers(1)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        return await read_on_time(messages, clock=clock)

    block = run(scenario())

    assert block is not None
    assert json.loads(block.data)["id"] == 0


def test_high_rates_come_in_bounded_blocks() -> None:
    """A second of 100,000 messages is several blocks, whole and in order, ready without waiting."""

    async def scenario() -> list[Lines]:
        clock = ManualClock(start_s=START_S)
        messages = source(clock, rate_per_s=100_000.0, duration_s=1.0)
        await messages.open(None)
        clock.advance(1.0)
        blocks = []
        while (block := await messages.read()) is not None:
            blocks.append(block)
        return blocks

    blocks = run(scenario())

    ids = [json.loads(line)["id"] for block in blocks for line in block.data.splitlines()]
    assert 98_000 < len(ids) < 102_000
    assert ids == list(range(len(ids)))
    assert max(block.count for block in blocks) == MAX_RECORDS


def test_a_source_with_other_parameters_is_another_source() -> None:
    """The name, under which the position is kept, tells them apart."""
    clock = ManualClock()
    names = {
        SimulatedMessages(clock, rate_per_s=rate_per_s, duration_s=duration_s, seed=seed).name
        for rate_per_s in (1.0, 10 / 60)
        for duration_s in (None, 1_800.0)
        for seed in (1, 2)
    }

    assert len(names) == 8
    assert "sim:messages?rate=0.166667/s&duration=1800s&seed=2" in names


def test_it_says_what_kind_of_source_it_is() -> None:
    """It has an end when it has a duration, and can always be read again, so it leaves nothing over."""
    endless, bounded = source(ManualClock()), source(ManualClock(), duration_s=1.0)

    assert (endless.bounded, bounded.bounded) == (False, True)
    assert endless.replayable
    assert endless.leftovers() is None
