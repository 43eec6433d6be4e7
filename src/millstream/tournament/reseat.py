"""Seat the rounds to come so that people meet new people, after what was played, with wishes kept.

Theory of operation: every round to come is a frame: who plays, in which groups, at which tables. All frames are
annealed together, after the history of the event. Each run starts from seatings in which all wishes hold; where that
is not possible, which happens when people have left or a final divides them, it starts from any, and the wishes that
cannot hold are broken as rarely as can be.

When rounds were planned before, the first search begins with them, less those who left and with those who came, and
stays near them; the better of both searches counts. So a design survives a drop-out, and so do most printed cards.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from random import Random

from millstream.tournament.anneal import WARM, Room, best_seating
from millstream.tournament.labels import spread_tables
from millstream.tournament.meetings import Meetings, least_cost
from millstream.tournament.rounds import Seating
from millstream.tournament.shape import SeatingPlan
from millstream.tournament.wishes import Kind, Player, Wish, bound_tables, pairs, seat_by_wishes

Tables = Mapping[int, Sequence[Player]]
"""The players of each table by its number."""


NamedTables = dict[int, tuple[Player, ...]]
"""The same, ready for a seating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Players who share numbered tables of these `sizes`, with a seat for each."""

    players: tuple[Player, ...]
    sizes: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A round to come: its number, its groups, and the wishes that hold in it; `settled` tables keep their number."""

    number: int
    groups: tuple[Group, ...]
    wishes: tuple[Wish, ...]
    settled: Collection[int] = ()


def reseat(
    frames: Sequence[Frame], *, played: Sequence[Seating], before: Sequence[Seating] = (), moves: int, rng: Random
) -> list[NamedTables]:
    """Seat the frames by about `moves` swaps; `before` is how rounds of these numbers were planned so far."""
    hall = _Hall(frames)
    room = hall.room(played)
    planned = {seating.number: seating.tables for seating in before}
    old = [_adapted(frame, planned[frame.number], rng=rng) for frame in frames if frame.number in planned]
    near = None
    if len(old) == len(frames):
        moves //= 2
        near = best_seating(lambda: hall.plan(old), room=room, moves=moves, rng=rng, heat=WARM)
        if room.history.after(near).cost() <= room.goal:
            return hall.named(near)
    found = best_seating(
        lambda: hall.plan([_start(frame, rng=rng) for frame in frames]), room=room, moves=moves, rng=rng
    )
    if near is not None and room.history.after(near).flaws() <= room.history.after(found).flaws():
        return hall.named(near)
    visits, held = hall.visits(played), hall.held()
    return hall.named(spread_tables(found, visits=visits, held=held, rng=rng, most_moves=moves // 4))


class _Hall:
    """Players and tables as the indices that annealing works with; a table that a frame does not use is empty."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        groups = [group for frame in frames for group in frame.groups]
        self._players = list(dict.fromkeys(player for group in groups for player in group.players))
        self._index = {player: i for i, player in enumerate(self._players)}
        self._numbers = sorted({number for group in groups for number in group.sizes})

    def plan(self, rounds: Sequence[Tables]) -> SeatingPlan:
        """Rounds with names as a plan."""
        return [[self._known(tables.get(number, ())) for number in self._numbers] for tables in rounds]

    def named(self, plan: SeatingPlan) -> list[NamedTables]:
        """A plan as rounds with names."""
        rounds = [zip(self._numbers, tables, strict=True) for tables in plan]
        return [{number: tuple(self._players[i] for i in table) for number, table in turn if table} for turn in rounds]

    def room(self, played: Sequence[Seating]) -> Room:
        """Groups do not mix, who is bound to a table stays there, and pairs with wishes count in their bands."""
        past = [[self._known(table) for table in seating.tables.values()] for seating in played]
        history = Meetings.none(len(self._players), most=len(played) + len(self._frames)).after(past)
        wishes = [wish for wish in self._frames[0].wishes if wish.kind is not Kind.TABLE]
        for p, q in pairs(wishes, kind=Kind.APART):
            if p in self._index and q in self._index:
                history.keep_apart(self._index[p], self._index[q])
        for p, q in pairs(wishes, kind=Kind.TOGETHER):
            if p in self._index and q in self._index:
                history.keep_together(self._index[p], self._index[q])
        return Room(
            groups=[[[self._numbers.index(n) for n in g.sizes] for g in frame.groups] for frame in self._frames],
            pinned=[set(self._known(bound_tables(frame.wishes))) for frame in self._frames],
            history=history,
            goal=0 if wishes else self._goal(past),
        )

    def visits(self, played: Sequence[Seating]) -> list[list[int]]:
        """How often each player sat at each of the tables."""
        sat = Counter((p, n) for seating in played for n, table in seating.tables.items() for p in table)
        return [[sat[player, number] for number in self._numbers] for player in self._players]

    def held(self) -> list[set[int]]:
        """The tables of each frame that keep their number."""
        return [
            {
                self._numbers.index(n)
                for n in {*bound_tables(frame.wishes).values(), *frame.settled}
                if n in self._numbers
            }
            for frame in self._frames
        ]

    def _known(self, players: Iterable[Player]) -> list[int]:
        return [self._index[player] for player in players if player in self._index]

    def _goal(self, past: SeatingPlan) -> int:
        """What a seating would cost at best, after the rounds that were played."""
        everybody = comb(len(self._players), 2)
        meetings = sum(comb(len(table), 2) for tables in past for table in tables)
        meetings += sum(comb(size, 2) for frame in self._frames for g in frame.groups for size in g.sizes.values())
        return least_cost(pairs=everybody, met=min(everybody, meetings), meetings=meetings)


def _start(frame: Frame, *, rng: Random) -> dict[int, list[Player]]:
    """A random seating of a frame with all its wishes, or with those about tables, or with none."""
    tables: dict[int, list[Player]] = {}
    for group in frame.groups:
        for wishes in (frame.wishes, [wish for wish in frame.wishes if wish.kind is Kind.TABLE], ()):
            seated = seat_by_wishes(group.players, sizes=group.sizes, wishes=wishes, rng=rng)
            if seated is not None:
                tables |= seated
                break
    return tables


def _adapted(frame: Frame, before: Tables, *, rng: Random) -> dict[int, list[Player]]:
    """The tables as before, without those who left, with the others where there is room, and who is bound at his."""
    [group] = frame.groups
    bound = {player: number for player, number in bound_tables(frame.wishes).items() if player in group.players}
    tables = {number: [p for p, table in bound.items() if table == number] for number in group.sizes}
    for number, table in tables.items():
        table += [player for player in before.get(number, ()) if player in group.players and player not in bound]
    fullest = sorted(tables, key=lambda number: -len(tables[number]))
    sizes = dict(zip(fullest, sorted(group.sizes.values(), reverse=True), strict=True))
    seated = {player for number, table in tables.items() for player in table[: sizes[number]]}
    waiting = [player for player in group.players if player not in seated]
    rng.shuffle(waiting)
    for number, table in tables.items():
        del table[sizes[number] :]
        table += [waiting.pop() for _ in range(sizes[number] - len(table))]
    return tables
