"""Seat the rounds to come so that people meet new people, after what was played, with wishes kept.

Theory of operation: every round to come is a frame: who plays, in which groups, at which tables. All frames are
annealed together, after the history of the event. Each run starts from seatings in which all wishes hold; where that
is not possible, which happens when people have left or a final divides them, it starts from any, and the wishes that
cannot hold are broken as rarely as can be.

When rounds were planned before, the first search begins with them, less those who left and with those who came, and
stays near them; the better of both searches counts. So a design survives a drop-out, and so do most printed cards.
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
    frames: Sequence[Frame],
    *,
    played: Sequence[Seating],
    before: Sequence[Seating] = (),
    wishes: Sequence[Wish],
    moves: int,
    rng: Random,
) -> list[Tables]:
    """Seat the frames by about `moves` swaps; `before` is how rounds of these numbers were planned so far.

    A table that a frame does not use is an empty one meanwhile.
    """
    players = list(dict.fromkeys(p for frame in frames for group in frame.groups for p in group.players))
    index = {player: i for i, player in enumerate(players)}
    numbers = sorted({number for frame in frames for group in frame.groups for number in group.sizes})
    history = _history(index, played=played, rounds=len(frames), wishes=wishes)
    room = _room(frames, index=index, numbers=numbers, history=history, wishes=wishes)

    def start(seat: Callable[[Frame], Mapping[int, Sequence[Player]]]) -> SeatingPlan:
        seated = [seat(frame) for frame in frames]
        return [[[index[player] for player in tables.get(number, ())] for number in numbers] for tables in seated]

    def fresh() -> SeatingPlan:
        return start(lambda frame: _start(frame, wishes=wishes, rng=rng))

    old = {seating.number: seating.tables for seating in before}
    if all(frame.number in old for frame in frames):
        near = start(lambda frame: _adapted(frame.groups[0], old[frame.number], rng=rng))
        plan = best_seating(lambda: near, room=room, moves=moves // 2, rng=rng, heat=WARM)
        if history.after(plan).cost() > room.goal:
            plan = min(plan, best_seating(fresh, room=room, moves=moves // 2, rng=rng), key=lambda p: history.after(p).flaws())
    else:
        plan = best_seating(fresh, room=room, moves=moves, rng=rng)
    held = [{*bound_tables(wishes_of(wishes, round_number=f.number)).values(), *f.settled} for f in frames]
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
