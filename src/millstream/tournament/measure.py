"""How good a seating is, counted from who sat with whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from millstream.tournament.meetings import Meetings
from millstream.tournament.shape import SeatingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """Who met whom: different pairs, opponents of one player, and repeats.

    `repeats` counts the meetings beyond the first of each pair and `most_meetings` those of the pair that met most.
    `fewest_links` is the number of common opponents of the two strangers who share fewest: 0 says that some of the
    field never came near each other; with no strangers at all it is `players`.
    """

    distinct_pairs: int
    fewest_opponents: int
    mean_opponents: float
    repeats: int
    most_meetings: int
    fewest_links: int


def mixing(plan: SeatingPlan, *, players: int) -> Mixing:
    """Count a seating of players 0..players-1, of whom there is at least one."""
    met = Meetings.none(players, most=len(plan)).after(plan).met
    opponents = [sum(count > 0 for count in row) - 1 for row in met]  # a row counts its own player too
    meetings = [count for player, row in enumerate(met) for count in row[:player] if count]
    return Mixing(
        distinct_pairs=len(meetings),
        fewest_opponents=min(opponents),
        mean_opponents=sum(opponents) / players,
        repeats=sum(meetings) - len(meetings),
        most_meetings=max(meetings, default=0),
        fewest_links=_fewest_links(met),
    )


def _fewest_links(met: Sequence[Sequence[int]]) -> int:
    circles = [sum(1 << other for other, count in enumerate(row) if count) for row in met]
    links = ((circles[p] & circles[q]).bit_count() for p, q in combinations(range(len(met)), 2) if not met[p][q])
    return min(links, default=len(met))
