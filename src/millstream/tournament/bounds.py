"""How many different pairs can meet at most.

Theory of operation: a game of s players makes s(s-1)/2 pairs meet. Two limits are plain: the pairs there are, and the
pairs that all games hold. The third is the pigeonhole: once everybody has sat at one of T tables, the s players of a
later table come from at most T of them, so at least sum C(n_i, 2) of its pairs have met, which is smallest when the
n_i are even. What is known beyond counting, from the literature or by exhaustion, stands in two small tables.
"""

from collections.abc import Sequence
from math import comb

# The most rounds without a repeat where it is proved to be fewer than counting allows: OEIS A107431 (6x6: no two
# orthogonal Latin squares of order 6, Tarry 1900).
_MOST_REPEAT_FREE = {(4, 3): 4, (5, 4): 5, (6, 5): 6, (6, 6): 3}

# The most pairs, by looking at all schedules: tests/tournament/test_exhaustion.py repeats the search.
_EXHAUSTED = {(2, 3, 3): 13, (3, 4, 4): 59}


def upper_bound(players: int, *, sizes: Sequence[Sequence[int]]) -> int:
    """The most different pairs that rounds with these table sizes can bring together."""
    games = [size for tables in sizes for size in tables]
    pairs = sum(comb(size, 2) for size in games)
    if sum(sizes[0]) == players:
        pairs -= sum(_forced_repeats(size, tables=len(sizes[0])) for tables in sizes[1:] for size in tables)
    if len({len(tables) for tables in sizes}) == len(set(games)) == 1 and len(sizes[0]) * games[0] == players:
        pairs = min(pairs, _proved(len(sizes[0]), seats=games[0], rounds=len(sizes)))
    return min(comb(players, 2), pairs)


def _forced_repeats(size: int, *, tables: int) -> int:
    """Pairs of one table that sat together before, when its players came from `tables` tables."""
    each, larger = divmod(size, tables)
    return larger * comb(each + 1, 2) + (tables - larger) * comb(each, 2)


def _proved(tables: int, *, seats: int, rounds: int) -> int:
    """What full tables are proved to hold at most, beyond counting."""
    if (tables, seats, rounds) in _EXHAUSTED:
        return _EXHAUSTED[tables, seats, rounds]
    repeats = rounds > _MOST_REPEAT_FREE.get((tables, seats), rounds)
    return rounds * tables * comb(seats, 2) - repeats
