"""How many sit at each table and who sits out, round by round, before anybody is seated.

Theory of operation: when players are short, table sizes differ by one at most and the smaller tables move on every
round. When players are too many, everybody stands in one queue, in the order of the numbers: each round takes the next
ones from its head and puts them back at its end, so nobody sits out twice before everybody did once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SeatingPlan = list[list[list[int]]]
"""Rounds of tables of players."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The frame of a plan: `sizes[r][t]` seats are taken at table t in round r, and `sitting_out[r]` watch."""

    players: int
    sizes: tuple[tuple[int, ...], ...]
    sitting_out: tuple[tuple[int, ...], ...]

    def seated(self, turn: int) -> list[int]:
        """The players who play in round `turn`, in the order of their numbers."""
        out = set(self.sitting_out[turn])
        return [player for player in range(self.players) if player not in out]


def even_shape(players: int, *, tables: int, seats: int, rounds: int) -> Shape:
    """The shape of an event in which nobody leaves or comes late."""
    seated = min(players, tables * seats)
    idle = players - seated
    return Shape(
        players=players,
        sizes=tuple(tuple(table_sizes(seated, tables=tables, turn=turn)) for turn in range(rounds)),
        sitting_out=tuple(tuple(sorted((turn * idle + i) % players for i in range(idle))) for turn in range(rounds)),
    )


def table_sizes(seated: int, *, tables: int, turn: int) -> list[int]:
    """Seat `seated` players evenly; which tables are the larger ones moves on with `turn`."""
    size, larger = divmod(seated, tables)
    sizes = [size] * tables
    for i in range(larger):
        sizes[(turn * larger + i) % tables] += 1
    return sizes


def fill(players: Iterable[int], *, sizes: Sequence[int]) -> list[list[int]]:
    """Cut players into tables of these sizes, in order."""
    waiting = iter(players)
    return [[next(waiting) for _ in range(size)] for size in sizes]
