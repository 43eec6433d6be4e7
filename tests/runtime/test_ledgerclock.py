"""One clock for all machines: what an answer of the ledger is worth, by the time that it took."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.runtime.ledgerclock import PROMPT_S, LedgerClock
from millstream.testing.clock import ManualClock

SKEWS = st.floats(-100.0, 100.0)
WAITS = st.floats(0.0, 60.0)


def asked(own: ManualClock, *looks: tuple[float, float, float]) -> Callable[[], Awaitable[float]]:
    """A ledger that answers once for each look: how far its clock is ahead, and what the ways there and back take."""
    left = iter(looks)

    async def ask() -> float:
        ahead_s, there_s, back_s = next(left)
        own.advance(there_s)
        theirs = own.now() + ahead_s
        own.advance(back_s)
        return theirs

    return ask


@given(ahead_s=SKEWS, waits=st.lists(st.tuples(WAITS, WAITS), max_size=5))
def test_a_slow_answer_spoils_nothing(ahead_s: float, waits: list[tuple[float, float]]) -> None:
    """After one prompt answer the time is right, however long the later ones take and wherever they are held up."""
    own, looks = ManualClock(), [(ahead_s, 0.0, 0.0), *((ahead_s, there_s, back_s) for there_s, back_s in waits)]
    clock = LedgerClock(own, ask=asked(own, *looks))

    for _ in looks:
        asyncio.run(clock.adjust())

        assert clock.now() - own.now() == pytest.approx(ahead_s, abs=PROMPT_S + 1e-5)


@given(ahead_s=SKEWS, later_s=SKEWS, there_s=WAITS, back_s=WAITS)
def test_a_clock_that_was_set_is_noticed(ahead_s: float, later_s: float, there_s: float, back_s: float) -> None:
    """A slow answer says at least where the ledger's time cannot be: the error is never above the time it took."""
    own = ManualClock()
    clock = LedgerClock(own, ask=asked(own, (ahead_s, 0.0, 0.0), (later_s, there_s, back_s)))
    asyncio.run(clock.adjust())

    found_s = asyncio.run(clock.adjust())

    assert abs(found_s - later_s) <= there_s + back_s + 1e-5


def test_a_ledger_that_was_held_up_is_no_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told to set a clock because a database stood still for half a minute, not even at the first look."""
    own = ManualClock()
    clock = LedgerClock(own, ask=asked(own, (0.1, 30.0, 0.0), (0.1, 30.0, 0.0)))

    with caplog.at_level(logging.WARNING, logger="millstream"):
        asyncio.run(clock.adjust())
        asyncio.run(clock.adjust())

    assert caplog.text == ""
