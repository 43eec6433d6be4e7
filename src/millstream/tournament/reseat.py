"""Seat the rounds to come so that people meet new people, after what was played, with wishes kept.

Theory of operation: every round to come is a frame: who plays, in which groups, at which tables. All frames are
annealed together, after the history of the event. Each run starts from seatings in which all wishes hold; where that
is not possible, which happens when people have left or a final divides them, it starts from any and the wishes that
cannot hold are broken as rarely as can be.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from millstream.tournament.anneal import Room, best_seating
from millstream.tournament.labels import spread_tables
from millstream.tournament.meetings import Meetings
from millstream.tournament.rounds import Played
from millstream.tournament.shape import SeatingPlan
from millstream.tournament.wishes import Kind, Player, Wish, bound_tables, pairs, seat_by_wishes, wishes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Players who share numbered tables of these `sizes`, with a seat for each."""

    players: tuple[Player, ...]
    sizes: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A round to come: its number and its groups; `settled` tables keep their number."""

    number: int
    groups: tuple[Group, ...]
    settled: Collection[int] = ()


Tables = dict[int, tuple[Player, ...]]
"""The players of each table by its number."""


def reseat(
    frames: Sequence[Frame], *, played: Sequence[Played], wishes: Sequence[Wish], moves: int, rng: Random
) -> list[Tables]:
    """Seat the frames, for each of which the same tables are in use, in about `moves` swaps."""
