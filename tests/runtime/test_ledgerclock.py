"""One clock for all machines: what an answer of the ledger is worth, by the time that it took."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.runtime.ledgerclock import PROMPT_S, LedgerClock
from millstream.testing.clock import ManualClock

SKEWS = st.floats(-100.0, 100.0)
WAITS = st.floats(0.0, 60.0)


def asked(own: ManualClock, *, ahead_s: float, before_s: Callable[[], float], after_s: Callable[[], float]):
    """A ledger whose clock is ahead, and which is asked slowly and answers slowly."""

    async def ask() -> float:
        own.advance(before_s())
        theirs = own.now() + ahead_s
        own.advance(after_s())
        return theirs

    return ask


@given(ahead_s=SKEWS, waits=st.lists(st.tuples(WAITS, WAITS), max_size=5))
def test_a_slow_answer_spoils_nothing(ahead_s: float, waits: list[tuple[float, float]]) -> None:
    """After one prompt answer the time is right, however long the later ones take and wherever they are held up."""
    own, wait = ManualClock(), iter([(0.0, 0.0), *waits])
    current = (0.0, 0.0)
    clock = LedgerClock(own, ask=asked(own, ahead_s=ahead_s, before_s=lambda: current[0], after_s=lambda: current[1]))

    for current in wait:
        asyncio.run(clock.adjust())

        assert clock.now() - own.now() == pytest.approx(ahead_s, abs=PROMPT_S + 1e-5)


@given(ahead_s=SKEWS, later_s=SKEWS, before_s=WAITS, after_s=WAITS)
def test_a_clock_that_was_set_is_noticed(ahead_s: float, later_s: float, before_s: float, after_s: float) -> None:
    """A slow answer says at least where the ledger's time cannot be: the error is never above the time it took."""
    own = ManualClock()
    first = LedgerClock(own, ask=asked(own, ahead_s=ahead_s, before_s=lambda: 0.0, after_s=lambda: 0.0))
    asyncio.run(first.adjust())
    first._ask = asked(own, ahead_s=later_s, before_s=lambda: before_s, after_s=lambda: after_s)

    found_s = asyncio.run(first.adjust())

    assert abs(found_s - later_s) <= max(before_s + after_s, 1e-5) + 1e-5


def test_a_ledger_that_was_held_up_is_no_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told to set a clock because a database stood still for half a minute, not even at the first look."""
    own = ManualClock()
    clock = LedgerClock(own, ask=asked(own, ahead_s=0.1, before_s=lambda: 30.0, after_s=lambda: 0.0))

    with caplog.at_level(logging.WARNING, logger="millstream"):
        asyncio.run(clock.adjust())
        asyncio.run(clock.adjust())

    assert caplog.text == ""
