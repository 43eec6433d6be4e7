"""Designs for fewer or more players than they have seats."""

import pytest

from millstream.tournament.designs import longest_design
from millstream.tournament.dice import dice
from millstream.tournament.fit import levelled, substituted, thinned
from millstream.tournament.shape import even_shape
from tournament.referee import check_plan


@pytest.mark.parametrize(
    ("players", "tables", "seats", "rounds"), [(30, 8, 4, 6), (50, 13, 4, 7), (45, 7, 7, 7), (23, 6, 4, 4)]
)
def test_players_who_never_meet_can_go(players: int, tables: int, seats: int, rounds: int) -> None:
    """Without them no pair repeats, and tables differ by one at most."""
    shape = even_shape(players, tables=tables, seats=seats, rounds=rounds)

    design = thinned(longest_design(tables, seats), shape=shape)

    assert design is not None
    assert check_plan(design.rounds, players=players, tables=tables, seats=seats).repeats == 0
    assert [[len(table) for table in turn] for turn in design.rounds] == [list(sizes) for sizes in shape.sizes]


def test_where_everybody_meets_nobody_can_go_without_repeats() -> None:
    """Of 9 players who all meet, two cannot both leave; levelling then repeats few pairs, in the last round only."""
    design, shape = longest_design(8, 8), even_shape(60, tables=8, seats=8, rounds=9)

    rounds = levelled(design, shape=shape, rng=dice(0))

    assert thinned(design, shape=shape) is None
    check_plan(rounds, players=60, tables=8, seats=8)
    assert check_plan(rounds[:-1], players=60, tables=8, seats=8).repeats == 0


def test_substitutes_take_the_seats_of_those_who_sit_out() -> None:
    """Everybody sits out in turn, and only meetings with the substitutes can repeat."""
    shape = even_shape(66, tables=8, seats=8, rounds=9)

    rounds = substituted(longest_design(8, 8), shape=shape, rng=dice(0))

    check_plan(rounds, players=66, tables=8, seats=8)
    regulars = [[[player for player in table if player > 1] for table in turn] for turn in rounds]
    pairs = [frozenset((p, q)) for turn in regulars for table in turn for p in table for q in table if p < q]
    assert len(pairs) == len(set(pairs))
