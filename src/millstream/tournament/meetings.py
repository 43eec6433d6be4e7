"""How often each two players met, and what a seating costs.

Theory of operation: a pair that met c times costs f(c): f(0) = 10, f(1) = 0 and f(c) = 3 (c - 1)^2, so unmet pairs
count first and repeats are spread. (A plain count of repeats settles for fewer pairs where repeats cannot be avoided.)
A swap changes the counts of two players with two tables only, and what that costs is a sum of entries of two short
lists, `more[c]` = f(c+1) - f(c) and `less[c]` = f(c-1) - f(c).

Counts live in bands of these lists. Band 0 is as above; pairs to be kept apart count in band 1 and pairs to be kept
together in band 2, where a meeting costs, or saves, more than any temperature pays for. So a seating that starts with
its wishes fulfilled keeps them, and one that cannot fulfil all breaks as few as it can. One entry beyond the bands is
for the diagonal, a player and himself, and costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

from millstream.tournament.shape import SeatingPlan

UNMET = 10
"""f(0), in which costs and temperatures are told."""

_REPEAT = 3
_WISH = 1_000 * UNMET

Steps = tuple[Sequence[int], Sequence[int]]
"""What one meeting more, and one less, changes of the cost, by the count before."""


class Flaws(NamedTuple):
    """The smaller, the better, the first that differs counts.

    A pair that is to sit together breaks its wish in each round that could be and is not. `most_unmet` is how many
    the player has not met who met fewest; `unevenness` sums the squares of the meetings beyond the first.
    """

    broken_wishes: int
    unmet_pairs: int
    most_unmet: int
    unevenness: int


@dataclass(slots=True, kw_only=True)
class Meetings:
    """The symmetric matrix `met` of counts in bands; no pair can meet more than `most` times, now or later."""

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
        """The distance from one band to the next: counts go up to `most`, and one step beyond."""
        return self.most + 2

    def keep_apart(self, p: int, q: int) -> None:
        """From now on every meeting of the two breaks a wish."""
        self.met[p][q] = self.met[q][p] = self.band

    def keep_together(self, p: int, q: int) -> None:
        """From now on every round without a meeting of the two breaks a wish."""
        self.met[p][q] = self.met[q][p] = 2 * self.band

    def after(self, plan: SeatingPlan) -> "Meetings":
        """These meetings and those of the plan."""
        met = [row[:] for row in self.met]
        for tables in plan:
            for table in tables:
                for p, q in combinations(table, 2):
                    met[p][q] += 1
                    met[q][p] += 1
        return Meetings(met=met, most=self.most)

    def cost(self) -> int:
        """What all pairs cost together."""
        apart = range(0, self.band * _WISH, _WISH)
        together = range(self.most * _WISH, (self.most - self.band) * _WISH, -_WISH)
        cost = [*_costs(self.band, repeat=_REPEAT), *apart, *together]
        return sum(cost[count] for player, row in enumerate(self.met) for count in row[:player])

    def steps(self, *, repeat: int = _REPEAT) -> Steps:
        """The lists `more` and `less`; without `repeat` only unmet pairs and wishes count."""
        cost = _costs(self.band, repeat=repeat)
        steps = [after - before for before, after in pairwise(cost)]
        wish = [_WISH] * self.band
        more = [*steps, 0, *wish, *(-x for x in wish), 0]
        less = [0, *(-step for step in steps), *(-x for x in wish), *wish, 0]
        return more, less

    def flaws(self) -> "Flaws":
        """What is wrong with the seating, by which two can be compared."""
        broken = unmet = unevenness = 0
        for player, row in enumerate(self.met):
            for value in row[:player]:
                wish, count = divmod(value, self.band)
                if wish:
                    broken += count if wish == 1 else self.most - count
                elif count == 0:
                    unmet += 1
                else:
                    unevenness += (count - 1) ** 2
        most_unmet = max(row.count(0) for row in self.met)
        return Flaws(broken_wishes=broken, unmet_pairs=unmet, most_unmet=most_unmet, unevenness=unevenness)


def least_cost(*, pairs: int, met: int, meetings: int) -> int:
    """What `meetings` cost that bring `met` of all `pairs` together, with the repeats spread evenly."""
    each, more = divmod(meetings - met, met)
    return UNMET * (pairs - met) + _REPEAT * (more * (each + 1) ** 2 + (met - more) * each**2)


def _costs(band: int, *, repeat: int) -> list[int]:
    """f(0), f(1) and so on, one for each count of a band."""
    return [UNMET] + [repeat * (count - 1) ** 2 for count in range(1, band)]


Place = tuple[list[int], int]
"""A table, and an index in it."""


def swap_cost(met: Sequence[Sequence[int]], steps: Steps, one: Place, other: Place) -> int:
    """What exchanging the players at two places of different tables changes of the cost."""
    more, less = steps
    (here, i), (there, j) = one, other
    p, q = here[i], there[j]
    mine, yours = met[p], met[q]
    change = -2 * more[mine[q]]  # both loops below count a meeting of the two, which there is not
    for player in here:
        change += less[mine[player]] + more[yours[player]]
    for player in there:
        change += less[yours[player]] + more[mine[player]]
    return change


def swap(met: list[list[int]], one: Place, other: Place) -> None:
    """Exchange the players at two places of different tables, and count their meetings anew."""
    (here, i), (there, j) = one, other
    p, q = here[i], there[j]
    here[i], there[j] = q, p
    for leaving, coming, table in ((p, q, here), (q, p, there)):
        left, come = met[leaving], met[coming]
        for player in table:
            if player != coming:
                row = met[player]
                left[player] -= 1
                row[leaving] -= 1
                come[player] += 1
                row[coming] += 1
