"""Signals: tests wait for what the engine does, and never for what it probably has done by now."""

import asyncio

import pytest

from millstream.core.model import CutReason
from millstream.runtime.events import BatchClosed, Draining, Events, NextRun
from millstream.testing.signals import Signals


def closed(batch_id: str) -> BatchClosed:
    """A minibatch was closed."""
    return BatchClosed(pipeline="s", batch_id=batch_id, cut=CutReason.TIME, records=1, late_s=0.0)


def test_what_came_before_the_wait_counts() -> None:
    """There is no race between the cause and the wait for its signal."""
    signals = Signals()
    Events(signals).emit(closed("a"))

    assert asyncio.run(signals.wait_for(BatchClosed)) == [closed("a")]


def test_whoever_waits_is_woken_when_enough_came() -> None:
    """Only events of the kind, and only those that are asked for, count; all of them are returned."""

    async def scenario() -> list[BatchClosed]:
        signals = Signals()
        events = Events(signals)
        waiting = asyncio.create_task(
            signals.wait_for(BatchClosed, where=lambda event: event.batch_id != "other", count=2)
        )
        for event in (closed("other"), NextRun(pipeline="f", at=1.0), closed("a")):
            events.emit(event)
            await asyncio.sleep(0)
        assert not waiting.done()
        events.emit(closed("b"))
        return await waiting

    assert asyncio.run(scenario()) == [closed("a"), closed("b")]


def test_everybody_who_waits_is_woken() -> None:
    """Several tasks may wait at once, for different things."""

    async def scenario() -> tuple[int, int]:
        signals = Signals()
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(signals.wait_for(Draining))
            second = tasks.create_task(signals.wait_for(BatchClosed))
            await asyncio.sleep(0)
            signals(Draining(drain="keep", limit_s=1.0))
            await asyncio.sleep(0)
            signals(closed("a"))
        return len(first.result()), len(second.result())

    assert asyncio.run(scenario()) == (1, 1)


def test_a_signal_that_never_comes_is_a_timeout() -> None:
    """After the given real time, so that a test fails instead of hanging."""
    with pytest.raises(TimeoutError):
        asyncio.run(Signals().wait_for(Draining, timeout_s=0.01))


def test_events_are_remembered_by_kind() -> None:
    """They can be looked at without waiting."""
    signals = Signals()
    for event in (closed("a"), Draining(drain="keep", limit_s=1.0), closed("b")):
        signals(event)

    assert signals.of(BatchClosed) == [closed("a"), closed("b")]
    assert signals.of(BatchClosed, where=lambda event: event.batch_id == "b") == [closed("b")]
    assert signals.of(NextRun) == []
    assert len(signals.events) == 3
