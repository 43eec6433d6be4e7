"""Upper bounds: never below what a seating holds, and as tight as is claimed."""

from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.tournament.bounds import upper_bound
from tournament.referee import count


@given(data=st.data())
def test_no_seating_has_more_pairs_than_the_bound(data: st.DataObject) -> None:
    """Whatever people do, the bound holds."""
    tables = data.draw(st.integers(2, 4))
    seats = data.draw(st.integers(2, 5))
    players = data.draw(st.integers(2 * tables, tables * seats + 2))
    rng = Random(data.draw(st.integers(0, 1_000)))
    rounds = []
    for _ in range(data.draw(st.integers(1, 4))):
        order = rng.sample(range(players), min(players, tables * seats))
        rounds.append([order[table::tables] for table in range(tables)])

    assert count(rounds).pairs <= upper_bound(players, sizes=[[len(t) for t in turn] for turn in rounds])


@pytest.mark.parametrize(
    ("tables", "seats", "rounds", "bound"),
    [
        (3, 3, 4, 36),
        (8, 4, 10, 480),
        (8, 4, 11, comb(32, 2)),
        (3, 4, 3, 48),
        (2, 4, 3, 28),
        (3, 6, 4, 153),
        (6, 6, 3, 270),
        (6, 6, 4, 359),
        (5, 4, 6, 179),
        (20, 5, 10, 2_000),
    ],
)
def test_bounds_of_full_tables(tables: int, seats: int, rounds: int, bound: int) -> None:
    """Pairs there are, pairs the games hold, forced repeats, and what is proved beyond counting."""
    assert upper_bound(tables * seats, sizes=[[seats] * tables] * rounds) == bound


def test_substitutes_weaken_the_pigeonhole() -> None:
    """Somebody who sat out of the first round forces no repeat in the second."""
    assert upper_bound(8, sizes=[[4, 4]] * 2) == 20
    assert upper_bound(10, sizes=[[4, 4]] * 2) == 24
