"""Wishes: seatings that fulfil them when there are such, and the names of those that clash."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.tournament import Tournament, WishError, WrongValueError
from millstream.tournament.dice import dice
from millstream.tournament.wishes import Kind, Player, Wish, seat_by_wishes, without

PLAYERS = tuple("ABCDEF")
SIZES = {1: 2, 2: 2, 3: 2}


def fulfilled(wish: Wish, at: dict[Player, int]) -> bool:
    tables = [at[player] for player in wish.players]
    match wish.kind:
        case Kind.APART:
            return len(set(tables)) == len(tables)
        case Kind.TOGETHER:
            return len(set(tables)) == 1
        case Kind.TABLE:
            return set(tables) == {wish.table}


def places(order: Sequence[Player]) -> dict[Player, int]:
    return {player: place // 2 + 1 for place, player in enumerate(order)}


groups = st.lists(st.sampled_from(PLAYERS), min_size=2, max_size=3, unique=True).map(tuple)
wishes = st.lists(
    st.one_of(
        st.builds(Wish, kind=st.sampled_from([Kind.APART, Kind.TOGETHER]), players=groups),
        st.builds(
            Wish,
            kind=st.just(Kind.TABLE),
            players=st.sampled_from(PLAYERS).map(lambda p: (p,)),
            table=st.integers(1, 3),
        ),
    ),
    max_size=4,
)


@given(wishes=wishes, seed=st.integers(0, 5))
def test_a_seating_is_found_exactly_when_there_is_one(wishes: list[Wish], seed: int) -> None:
    """What is found fulfils all wishes; nothing is found only if no seating of all does."""
    possible = any(all(fulfilled(wish, places(order)) for wish in wishes) for order in permutations(PLAYERS))

    tables = seat_by_wishes(PLAYERS, sizes=SIZES, wishes=wishes, rng=dice(seed))

    assert (tables is not None) == possible
    if tables is not None:
        at = {player: number for number, table in tables.items() for player in table}
        assert sorted(at) == list(PLAYERS)
        assert {number: len(table) for number, table in tables.items()} == SIZES
        assert all(fulfilled(wish, at) for wish in wishes)


def event(**wishes: object) -> Tournament:
    return Tournament(PLAYERS, tables=3, seats=2, rounds=3, seconds=0.01, **wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"apart": ["AB"], "together": ["AB"]}, {"A and B apart", "A and B together"}),
        ({"together": ["AB", "BC"]}, {"A and B together", "B and C together"}),
        ({"together": ["ABC"]}, {"A and B and C together"}),
        ({"apart": ["ABCD"]}, {"A and B and C and D apart"}),
        ({"apart": ["EF"], "fixed": {"E": 2, "F": 2}}, {"E and F apart", "E at table 2", "F at table 2"}),
        ({"fixed": {"A": 1, "B": 1, "C": 1}}, {"A at table 1", "B at table 1", "C at table 1"}),
        ({"together": ["AB"], "fixed": {"A": 1, "C": 1}}, {"A and B together", "A at table 1", "C at table 1"}),
    ],
)
def test_the_fewest_wishes_that_clash_are_named(asked: dict[str, object], named: set[str]) -> None:
    """Two where two are enough, one when it cannot hold alone, and never one that does not matter."""
    with pytest.raises(WishError) as refusal:
        event(**{**asked, "apart": [*asked.get("apart", []), "CF"]})  # type: ignore[misc]

    assert set(refusal.value.wishes) == named
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"apart": ["AZ"]}, "wishes: expected players who are there, found 'A and Z apart' without Z"),
        ({"together": ["A"]}, "wishes: expected two players or more to be together, found 'A together'"),
        ({"fixed": {"A": 4}}, "wishes: expected tables 1 to 3, found 'A at table 4'"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(asked: dict[str, object], words: str) -> None:
    """Unknown players, groups of one and tables that are not there."""
    with pytest.raises(WrongValueError) as refusal:
        event(**asked)

    assert str(refusal.value) == words


def test_hundreds_of_wishes_are_searched_and_thousands_refused() -> None:
    """Neither ends in a search without end."""
    couples = [(number, number + 1) for number in range(0, 400, 2)]

    assert Tournament(900, tables=225, seats=4, rounds=2, apart=couples, seconds=0).record.wishes
    with pytest.raises(WrongValueError, match="wishes: expected wishes for at most 400 players, found 900"):
        Tournament(900, tables=225, seats=4, rounds=2, apart=[range(900)], seconds=0)


@pytest.mark.parametrize("rounds", [3, 5])
def test_wishes_hold_in_every_round_by_plan(rounds: int) -> None:
    """Apart, together and at their tables, through the whole plan, while everybody still meets new people."""
    cup = Tournament(
        32,
        tables=8,
        seats=4,
        rounds=rounds,
        apart=[(0, 1), (2, 3), (4, 5, 6)],
        together=[(7, 8), (9, 10, 11)],
        fixed={12: 5, 13: 5, 14: 1},
        seconds=0.1,
    )

    for seating in cup.ahead():
        at = {player: number for number, table in seating.tables.items() for player in table}
        assert at[0] != at[1]
        assert at[2] != at[3]
        assert len({at[4], at[5], at[6]}) == 3
        assert at[7] == at[8]
        assert at[9] == at[10] == at[11]
        assert (at[12], at[13], at[14]) == (5, 5, 1)


def test_a_wish_that_a_lot_can_fulfil_costs_no_pair() -> None:
    """One player at a fixed table and two apart leave a perfect plan perfect."""
    cup = Tournament(32, tables=8, seats=4, rounds=6, apart=[(0, 1)], fixed={2: 3}, seconds=0.01)

    tables = [seating.tables for seating in cup.ahead()]

    assert len({frozenset((p, q)) for turn in tables for t in turn.values() for p in t for q in t if p < q}) == 240
    assert all(2 in turn[3] for turn in tables)


def test_wishes_outlive_those_who_leave() -> None:
    """A group that loses somebody stays a group, until one is left."""
    three = Wish(kind=Kind.TOGETHER, players=("A", "B", "C"))
    alone = Wish(kind=Kind.TABLE, players=("A",), table=1)

    assert without([three, alone], player="A") == [Wish(kind=Kind.TOGETHER, players=("B", "C"))]
    assert without([Wish(kind=Kind.APART, players=("A", "B"))], player="B") == []
