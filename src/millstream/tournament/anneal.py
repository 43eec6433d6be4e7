"""Simulated annealing of a seating: swap two players of one round, keep what mixes better.

Theory of operation: a pair that has met c times costs f(c): f(0) = 1, f(1) = 0 and f(c) = repeat (c - 1)^2, so unmet
pairs count first and repeats are spread; a plain sum of repeats would settle for fewer pairs. The state is the matrix
`met` of these counts. A swap changes the counts of the two players with their tables only, and its cost is a sum over
two tables of entries of two short lists, `more[c]` = f(c+1) - f(c) and `less[c]` = f(c-1) - f(c).

Counts live in bands of these lists: band 0 is as above; pairs to be kept apart count in band 1, pairs to be kept
together in band 2, where each meeting costs, or saves, more than any temperature pays for. So a seating that starts
with its wishes fulfilled keeps them, and one that cannot fulfil all of them breaks as few as it can. The one entry
beyond the bands is for the diagonal, a player and itself, and costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, log
from random import Random

from millstream.tournament.shape import SeatingPlan

UNMET = 10
"""f(0), the unit of all costs."""

_WISH = 1_000 * UNMET
"""What breaking a wish costs."""

_HOT, _COLD = 0.6 * UNMET, 0.12 * UNMET
"""Temperatures at the begin and the end of a run; bench/tournament.py."""

_BLOCK = 1_000
"""Moves between two looks at what was reached."""


@dataclass(slots=True, kw_only=True)
class Meetings:
    """How often each two of the players met, with bands; no pair can meet more than `most` times, now or later."""

    met: list[list[int]]
    most: int

    @classmethod
    def none(cls, players: int, *, most: int) -> "Meetings":
        """Nobody has met anybody."""
        meetings = cls(met=[[0] * players for _ in range(players)], most=most)
        for player, row in enumerate(meetings.met):
            row[player] = 3 * meetings.band
        return meetings

    @property
    def band(self) -> int:
        """The distance from one band to the next."""
        return self.most + 2

    def keep_apart(self, p: int, q: int) -> None:
        """From now on every meeting of the two costs a wish."""
        self.met[p][q] = self.met[q][p] = self.met[p][q] % self.band + self.band

    def keep_together(self, p: int, q: int) -> None:
        """From now on every round in which the two do not meet costs a wish."""
        self.met[p][q] = self.met[q][p] = self.met[p][q] % self.band + 2 * self.band

    def count(self, tables: Iterable[Sequence[int]]) -> None:
        """Add what meets at these tables."""
        for table in tables:
            for p, q in combinations(table, 2):
                self.met[p][q] += 1
                self.met[q][p] += 1

    def copy(self) -> "Meetings":
        """The same meetings, to be counted on."""
        return Meetings(met=[row[:] for row in self.met], most=self.most)

    def cost(self, *, repeat: int) -> int:
        """The sum of f over all pairs without a wish."""
        cost = [UNMET] + [repeat * (count - 1) ** 2 for count in range(1, self.band)]
        return sum(cost[c] for player, row in enumerate(self.met) for c in row[:player] if c < self.band)

    def steps(self, *, repeat: int) -> tuple[list[int], list[int]]:
        """The lists `more` and `less` of the theory above."""
        cost = [UNMET] + [repeat * (count - 1) ** 2 for count in range(1, self.band)]
        steps = [after - before for before, after in zip(cost, cost[1:], strict=False)]
        wish = [_WISH] * self.band
        more = [*steps, 0, *wish, *(-x for x in wish), 0]
        less = [0, *(-step for step in steps), *(-x for x in wish), *wish, 0]
        return more, less


Seat = tuple[int, int, int]
"""Round, table and place."""


def anneal(
    start: SeatingPlan,
    *,
    pools: Sequence[Sequence[Seat]],
    history: Meetings,
    moves: int,
    repeat: int,
    rng: Random,
) -> SeatingPlan:
    """Improve a seating by `moves` swaps between seats of the same pool; returns the best that was seen.

    A pool holds seats of one round that may be swapped freely, and every table has at most one seat of each place in
    it; seats in no pool stay as they are. `history` is what was played before; `repeat` is the cost of meeting twice,
    in parts of `UNMET`.
    """
    plan = [[table[:] for table in tables] for tables in start]
    meetings = history.copy()
    for tables in plan:
        meetings.count(tables)
    met, (more, less) = meetings.met, meetings.steps(repeat=repeat)
    swaps = [[(plan[r][t], place) for r, t, place in pool] for pool in pools]
    cost = best = 0
    kept = _players(swaps)
    random, pool_count = rng.random, len(swaps)
    temperature, cooling = float(_HOT), (_COLD / _HOT) ** (_BLOCK / max(moves, 1))
    for _ in range(moves // _BLOCK):
        for _ in range(_BLOCK):
            pool = swaps[int(random() * pool_count)]
            here, i = pool[int(random() * len(pool))]
            there, j = pool[int(random() * len(pool))]
            if here is there:
                continue
            p, q = here[i], there[j]
            mine, yours = met[p], met[q]
            change = -2 * more[mine[q]]  # both loops count the two meeting each other, which they do not
            for other in here:
                change += less[mine[other]] + more[yours[other]]
            for other in there:
                change += less[yours[other]] + more[mine[other]]
            if change <= 0 or change < -temperature * log(1.0 - random()):
                _swap(met, here, i, there, j)
                cost += change
        temperature *= cooling
        if cost < best:
            best, kept = cost, _players(swaps)
    for pool, players in zip(swaps, kept, strict=True):
        for (table, place), player in zip(pool, players, strict=True):
            table[place] = player
    return plan


def _swap(met: list[list[int]], here: list[int], i: int, there: list[int], j: int) -> None:
    p, q = here[i], there[j]
    mine, yours = met[p], met[q]
    for other in here:
        if other != p:
            mine[other] -= 1
            yours[other] += 1
            row = met[other]
            row[p] -= 1
            row[q] += 1
    for other in there:
        if other != q:
            yours[other] -= 1
            mine[other] += 1
            row = met[other]
            row[q] -= 1
            row[p] += 1
    here[i], there[j] = q, p


def _players(pools: list[list[tuple[list[int], int]]]) -> list[list[int]]:
    return [[table[place] for table, place in pool] for pool in pools]
