"""The quality of a live event: what people met, and what was not kept."""

from millstream.tournament import Mixing, Tournament
from millstream.tournament.measure import mixing
from tournament.referee import count, values


def test_mixing_counts_who_met_whom() -> None:
    """Two closed groups of four: everybody has three opponents, and nothing links the groups."""
    apart = [[[0, 1, 2, 3], [4, 5, 6, 7]]] * 2

    assert mixing(apart, players=8) == Mixing(
        distinct_pairs=12, fewest_opponents=3, mean_opponents=3.0, repeats=12, most_meetings=2, fewest_links=0
    )
    assert mixing([*apart, [[0, 1, 4, 5], [2, 3, 6, 7]]], players=8).fewest_links == 4


def test_strangers_are_needed_to_miss_links() -> None:
    """Where all met, every player could be a link."""
    assert mixing([[[0, 1], [2, 3]], [[0, 2], [1, 3]], [[0, 3], [1, 2]]], players=4).fewest_links == 4


def test_quality_is_that_of_the_rounds_played() -> None:
    """As the referee counts, with bound, returns and sit-outs."""
    event = Tournament(18, tables=4, seats=4, rounds=5, seconds=0.05)
    assert (event.quality().mixing.distinct_pairs, event.quality().upper_bound) == (0, 0)
    for _ in range(4):
        event.report({number: table[0] for number, table in event.next_round().tables.items()})

    quality = event.quality()

    counted = count([values(turn.seating.tables) for turn in event.record.played])
    assert quality.mixing.distinct_pairs == counted.pairs <= quality.upper_bound == 96
    assert quality.mixing.fewest_opponents == counted.fewest_opponents
    assert (quality.fewest_sat_out, quality.most_sat_out) == (0, 1)
    assert quality.broken_wishes == 0


def test_wishes_that_could_not_hold_are_counted() -> None:
    """When the best two want to be apart and meet in the final, that is one."""
    event = Tournament(8, tables=2, seats=4, rounds=2, apart=[(0, 1)], fixed={2: 1, 3: 2}, seconds=0.01)
    first = event.next_round()
    favourites = {number: 0 if 0 in table else 1 for number, table in first.tables.items()}
    event.report(favourites)
    final = event.next_round()
    event.report({number: table[0] for number, table in final.tables.items()})

    together = {0, 1} <= set(final.tables[final.contest[0]])
    misplaced = sum(final.table_of(player) != table for player, table in ((2, 1), (3, 2)))
    assert together
    assert event.quality().broken_wishes == 1 + misplaced
