"""An independent judge of seatings: counts for itself and believes nothing that the package says."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

BEST_KNOWN = {
    2: {2: 3},
    3: {2: 5, 3: 4},
    4: {2: 7, 3: 4, 4: 5},
    5: {2: 9, 3: 7, 4: 5, 5: 6},
    6: {2: 11, 3: 8, 4: 7, 5: 6, 6: 3},
    7: {2: 13, 3: 10, 4: 9, 5: 7, 6: 7, 7: 8},
    8: {2: 15, 3: 11, 4: 10, 5: 8, 6: 8, 7: 8, 8: 9},
    9: {2: 17, 3: 13, 4: 11, 5: 9, 6: 9, 7: 9, 8: 9, 9: 10},
    10: {2: 19, 3: 14, 4: 13, 5: 9, 6: 7, 7: 7, 8: 5, 9: 5, 10: 4},
}
"""Rounds without a repeat that are known to exist, by tables and seats; with more seats than tables it is one."""

Rounds = Sequence[Sequence[Sequence[object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a seating holds."""

    pairs: int
    repeats: int
    fewest_opponents: int
    slots: int


def count(rounds: Rounds) -> Count:
    """Count who met whom."""
    met = Counter(frozenset(pair) for tables in rounds for table in tables for pair in combinations(table, 2))
    opponents = Counter(player for pair in met for player in pair)
    return Count(
        pairs=len(met),
        repeats=met.total() - len(met),
        fewest_opponents=min(opponents.values()),
        slots=met.total(),
    )


def check_plan(rounds: Rounds, *, players: int, tables: int, seats: int) -> Count:
    """Check a plan by the rules of the game, and count it."""
    sat_out = Counter(dict.fromkeys(range(players), 0))
    for turn in rounds:
        check_round(turn, tables=tables, seats=seats)
        sizes = [len(table) for table in turn]
        assert max(sizes) - min(sizes) <= 1, "tables differ by one at most"
        assert sum(sizes) == min(players, tables * seats), "nobody sits out of a round that has a seat for him"
        seated = {player for table in turn for player in table}
        assert seated <= set(range(players)), "nobody else plays"
        sat_out.update(set(range(players)) - seated)
        assert max(sat_out.values()) - min(sat_out.values()) <= 1, "nobody sits out twice before everybody did once"
    return count(rounds)


def check_round(turn: Iterable[Sequence[object]], *, tables: int, seats: int) -> None:
    """Every table is used by two at least, no table holds too many, nobody sits twice."""
    sizes = [len(table) for table in turn]
    players = [player for table in turn for player in table]
    assert len(sizes) == tables, "every table is used"
    assert min(sizes) >= 2, "a game needs two"
    assert max(sizes) <= seats, "no table holds more than it has seats"
    assert len(set(players)) == len(players), "nobody sits at two tables"


def counting_bound(rounds: Rounds, *, players: int) -> int:
    """The most pairs that tables of these sizes can bring together, by counting alone."""
    return min(players * (players - 1) // 2, count(rounds).slots)


def values(tables: Mapping[int, Sequence[object]]) -> list[Sequence[object]]:
    """The tables of a live round without their numbers."""
    return [table for _, table in sorted(tables.items())]
