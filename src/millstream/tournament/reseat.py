"""Seat the rounds to come so that people meet new people, after what was played, with wishes kept.

Theory of operation: every round to come is a frame: who plays, in which groups, at which tables. All frames are
annealed together, after the history of the event. Each run starts from seatings in which all wishes hold; where that
is not possible, which happens when people have left or a final divides them, it starts from any and the wishes that
cannot hold are broken as rarely as can be.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from millstream.tournament.anneal import Room, best_seating
from millstream.tournament.labels import spread_tables
from millstream.tournament.meetings import Meetings
from millstream.tournament.rounds import Seating
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
    frames: Sequence[Frame], *, played: Sequence[Seating], wishes: Sequence[Wish], moves: int, rng: Random
) -> list[Tables]:
    """Seat the frames by about `moves` swaps. A table that a frame does not use is an empty one meanwhile."""
    players = list(dict.fromkeys(p for frame in frames for group in frame.groups for p in group.players))
    index = {player: i for i, player in enumerate(players)}
    numbers = sorted({number for frame in frames for group in frame.groups for number in group.sizes})
    held = [{*bound_tables(wishes_of(wishes, round_number=f.number)).values(), *f.settled} for f in frames]
    room = Room(
        groups=[[[numbers.index(n) for n in group.sizes] for group in frame.groups] for frame in frames],
        pinned=[
            {index[player] for player in bound_tables(wishes_of(wishes, round_number=f.number)) if player in index}
            for f in frames
        ],
        history=_history(index, played=played, rounds=len(frames), wishes=wishes),
    )

    def start() -> SeatingPlan:
        seated = [_start(frame, wishes=wishes, rng=rng) for frame in frames]
        return [[[index[player] for player in tables.get(number, ())] for number in numbers] for tables in seated]

    plan = spread_tables(
        best_seating(start, room=room, moves=moves, rng=rng),
        visits=_visits(index, played=played, numbers=numbers),
        held=[{numbers.index(number) for number in some if number in numbers} for some in held],
        rng=rng,
        most_moves=moves // 4,
    )
    return [
        {number: tuple(players[i] for i in table) for number, table in zip(numbers, tables, strict=True) if table}
        for tables in plan
    ]


def _start(frame: Frame, *, wishes: Sequence[Wish], rng: Random) -> dict[int, list[Player]]:
    """A random seating of a frame with all its wishes, or with those about tables, or with none."""
    everything = wishes_of(wishes, round_number=frame.number)
    tables: dict[int, list[Player]] = {}
    for group in frame.groups:
        for some in (everything, [wish for wish in everything if wish.kind is Kind.TABLE], []):
            seated = seat_by_wishes(group.players, sizes=group.sizes, wishes=some, rng=rng)
            if seated is not None:
                tables |= seated
                break
    return tables


def _history(
    index: Mapping[Player, int], *, played: Sequence[Seating], rounds: int, wishes: Sequence[Wish]
) -> Meetings:
    """What the players have met of each other; pairs with a wish count in their bands."""
    history = Meetings.none(len(index), most=len(played) + rounds).after(
        [[[index[player] for player in table if player in index] for table in turn.tables.values()] for turn in played]
    )
    for kind, keep in ((Kind.APART, history.keep_apart), (Kind.TOGETHER, history.keep_together)):
        for p, q in pairs(wishes, kind=kind):
            if p in index and q in index:
                keep(index[p], index[q])
    return history


def _visits(index: Mapping[Player, int], *, played: Sequence[Seating], numbers: Sequence[int]) -> list[list[int]]:
    """How often each player sat at each of the numbered tables."""
    visits = [[0] * len(numbers) for _ in index]
    for turn in played:
        for number, table in turn.tables.items():
            for player in table:
                if player in index and number in numbers:
                    visits[index[player]][numbers.index(number)] += 1
    return visits
