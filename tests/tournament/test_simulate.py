"""Simulation: the formats compared by playing them."""

import pytest

from millstream.tournament import Format, WrongValueError, simulate


def test_each_format_is_played_to_its_end() -> None:
    """Shares are shares, opponents are within what the rounds allow, and the same seed plays the same events."""
    outcomes = simulate(16, tables=4, seats=4, rounds=4, events=20, seconds=0.05)

    assert [outcome.format for outcome in outcomes] == list(Format)
    for outcome in outcomes:
        assert outcome.events == 20
        assert 0 < outcome.best_wins < 1
        assert 6 <= outcome.fewest_opponents <= outcome.mean_opponents <= 12
        assert (outcome.extra_rounds > 0) == (outcome.format is Format.POINTS)
    assert outcomes[:1] == simulate(
        16, tables=4, seats=4, rounds=4, events=20, styles=[Format.POINTS_FINAL], seconds=0.05
    )


def test_no_events_are_no_simulation() -> None:
    """At least one event has to be played."""
    with pytest.raises(WrongValueError, match="events: expected at least 1, found 0"):
        simulate(16, tables=4, seats=4, rounds=4, events=0)
