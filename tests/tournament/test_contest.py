"""Contests: who plays for the championship, at how many tables, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.tournament.contest import Format, planned_rounds, split


@given(data=st.data())
def test_a_contest_round_gives_everybody_one_part(data: st.DataObject) -> None:
    """Those alive play for it or have a bye, all others are others, and fewer are alive afterwards."""
    tables, seats = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 6))
    ranking = list(range(data.draw(st.integers(2, tables * seats + 5))))
    alive = ranking[: data.draw(st.integers(2, len(ranking)))]
    style = data.draw(st.sampled_from([Format.POINTS, Format.KNOCKOUT]))
    due = data.draw(st.permutations(ranking))

    divided = split(alive, style=style, ranking=ranking, due=due, tables=tables, seats=seats)

    assert sorted([*divided.contestants, *divided.others]) == ranking
    assert set(alive) <= {*divided.contestants, *divided.byes}
    assert not set(divided.byes) & set(divided.contestants)
    assert 2 * divided.contest_tables <= len(divided.contestants) <= seats * divided.contest_tables
    assert 2 * divided.other_tables <= len(divided.others)
    assert divided.contest_tables + len(divided.byes) < len(alive)
    if style is Format.KNOCKOUT:
        assert divided.contest_tables + divided.other_tables == min(tables, len(ranking) // 2)


@pytest.mark.parametrize(
    ("players", "tables", "seats", "contest"),
    [(32, 8, 4, 3), (16, 4, 4, 2), (4, 2, 2, 2), (6, 3, 2, 3), (30, 8, 4, 3), (9, 3, 3, 2), (10, 2, 4, 2)],
)
def test_a_knockout_begins_in_time_for_its_final(players: int, tables: int, seats: int, contest: int) -> None:
    """One round for each time that the winners fill fewer tables; the rounds before go by plan."""
    planned = planned_rounds(Format.KNOCKOUT, players=players, tables=tables, seats=seats, rounds=7)

    assert planned == 7 - contest
