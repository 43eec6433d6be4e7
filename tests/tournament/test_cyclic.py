"""Cyclic search: one round, turned until all rounds are there."""

import pytest

from millstream.tournament.cyclic import Circles, develop, search
from millstream.tournament.dice import dice
from tournament.referee import check_plan


@pytest.mark.parametrize(("tables", "seats", "rounds"), [(8, 3, 11), (6, 4, 7), (12, 3, 16), (20, 5, 10), (9, 3, 12)])
def test_search_finds_schedules_without_repeats(tables: int, seats: int, rounds: int) -> None:
    """What is found has enough rounds and repeats no pair."""
    found = search(tables, seats=seats, rounds=rounds, moves=1_000_000, rng=dice(0))

    assert found is not None
    assert len(found) >= rounds
    assert check_plan(found, players=tables * seats, tables=tables, seats=seats).repeats == 0


@pytest.mark.parametrize(("tables", "seats", "rounds"), [(2, 4, 2), (4, 4, 6), (3, 3, 5)])
def test_search_gives_up_where_counting_forbids_it(tables: int, seats: int, rounds: int) -> None:
    """More opponents than there are players, or more seats than tables, are not even tried."""
    assert search(tables, seats=seats, rounds=rounds, moves=1_000_000, rng=dice(0)) is None


def test_turning_keeps_fixed_players_in_place() -> None:
    """Residues of a circle go on by one, fixed players stay at their table."""
    rounds = develop([[0, 3], [1, 2]], modulus=3, fixed=1)

    assert rounds == [[[0, 3], [1, 2]], [[1, 3], [2, 0]], [[2, 3], [0, 1]]]


def test_orbits_are_counted_as_there_are() -> None:
    """Half turns and pairs of fixed players are no orbits to use."""
    circles = Circles(modulus=4, circles=2, fixed=2)

    assert circles.players == 10
    assert circles.orbits == 2 * 1 + 4 + 2 * 2
