"""What the package knows beyond counting, found again by looking at all schedules.

A round is the bit set of the pairs that meet in it. The first round can be chosen freely, and so can it be that the
first two repeat no more pairs than any other two. Second rounds are the same up to the names of players and tables
when their tables share equally many players with those of the first.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import pytest

from millstream.tournament.bounds import upper_bound


def all_rounds(players: Sequence[int], seats: int) -> Iterator[list[tuple[int, ...]]]:
    if not players:
        yield []
        return
    first, *others = players
    for mates in combinations(others, seats - 1):
        rest = [player for player in others if player not in mates]
        for tables in all_rounds(rest, seats):
            yield [(first, *mates), *tables]


def bits(tables: Sequence[Sequence[int]]) -> int:
    return sum(1 << (12 * p + q) for table in tables for p, q in combinations(table, 2))


def kind(tables: Sequence[Sequence[int]], first: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    shared = [[len({*table} & {*other}) for other in first] for table in tables]
    return min(
        tuple(sorted(tuple(row[i] for i in order) for row in shared)) for order in permutations(range(len(first)))
    )


def most_pairs(tables: int, seats: int, rounds: int) -> int:
    everything = list(all_rounds(range(tables * seats), seats))
    first = everything[0]
    one = bits(first)
    best = 0
    for two in map(bits, {kind(turn, first): turn for turn in everything}.values()):
        common = (one & two).bit_count()
        others = [turn for turn in map(bits, everything) if repeats_least(turn, one, two, common)]
        best = max(best, most_more(one | two, others, rounds - 2))
    return best


def repeats_least(turn: int, one: int, two: int, common: int) -> bool:
    return min((turn & one).bit_count(), (turn & two).bit_count()) >= common


def most_more(met: int, others: Sequence[int], rounds: int) -> int:
    if rounds == 1:
        return max([(met | turn).bit_count() for turn in others])
    return max(most_more(met | turn, others[place:], rounds - 1) for place, turn in enumerate(others))


@pytest.mark.parametrize(("tables", "seats", "rounds"), [(2, 3, 3), pytest.param(3, 4, 4, marks=pytest.mark.slow)])
def test_the_bound_of_a_shape_is_the_best_of_all_schedules(tables: int, seats: int, rounds: int) -> None:
    """Where the bound is lower than counting says, no schedule of all that there are has more pairs."""
    found = most_pairs(tables, seats, rounds)

    assert found == upper_bound(tables * seats, sizes=[[seats] * tables] * rounds)
