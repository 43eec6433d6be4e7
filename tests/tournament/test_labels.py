"""Table numbers: people change tables, and who meets whom stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.tournament.designs import longest_design
from millstream.tournament.dice import dice
from millstream.tournament.labels import revisits, spread_tables


@pytest.mark.parametrize(
    ("tables", "seats", "rounds", "most"), [(8, 5, 8, 0), (9, 8, 9, 0), (9, 7, 9, 0), (7, 4, 5, 12), (10, 4, 6, 12)]
)
def test_few_come_back_to_a_table(tables: int, seats: int, rounds: int, most: int) -> None:
    """With no more rounds than tables hardly anybody returns to a table, and in some designs nobody does."""
    plan = longest_design(tables, seats).rounds[:rounds]

    spread = spread_tables(plan, visits=[[0] * tables for _ in range(tables * seats)], rng=dice(0))

    assert revisits(spread) <= most < revisits(plan)


@given(seed=st.integers(0, 30), held=st.sets(st.integers(0, 5)))
def test_tables_only_change_their_numbers(seed: int, held: set[int]) -> None:
    """Every round keeps its tables, each place its size, and tables that are held their number."""
    plan = [
        [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9], [10, 11], [12, 13]],
        [[0, 3, 6], [1, 4, 7], [2, 5], [8, 10], [9, 11], [12, 13]],
        [[0, 4, 8], [1, 5, 9], [2, 3], [6, 12], [7, 13], [10, 11]],
    ]
    visits = [[0] * 6 for _ in range(14)]

    spread = spread_tables(plan, visits=visits, held=[held] * 3, rng=dice(seed))

    assert [sorted(turn) for turn in spread] == [sorted(turn) for turn in plan]
    assert [[len(table) for table in turn] for turn in spread] == [[3, 3, 2, 2, 2, 2]] * 3
    for before, after in zip(plan, spread, strict=True):
        assert [after[number] for number in held] == [before[number] for number in held]
    assert revisits(spread) <= revisits(plan)


def test_rounds_before_count() -> None:
    """Somebody who sat at a table before the plan begins is sent to another one."""
    visits = [[1, 0], [1, 0], [0, 1], [0, 1]]

    assert spread_tables([[[0, 1], [2, 3]]], visits=visits, rng=dice(0)) == [[[2, 3], [0, 1]]]


def test_returns_are_counted_per_player_and_table() -> None:
    """Sitting three times at one table is two returns: once each for players 1 and 2, twice for 0, once for 3."""
    assert revisits([[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0, 3], [1, 2]]]) == 2 + 1 + 1 + 1
