"""The best seating plan that can be found in the time given.

Theory of operation: a plan that reaches the upper bound cannot be beaten, so the cheap sources come first and the
search ends as soon as one does: (1) the longest design that is known, or that a cyclic search finds, fitted to the
number of players and continued by annealing where it is too short; (2) annealing of everything. Otherwise the better
one counts: more different pairs, then more opponents of the player who has fewest, then more even repeats. Table
numbers are settled at the end, which changes none of these.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb
from random import Random

from millstream.tournament import cyclic
from millstream.tournament.anneal import WARM, Room, best_seating, moves_in
from millstream.tournament.bounds import upper_bound
from millstream.tournament.checks import check_frame, check_seconds
from millstream.tournament.designs import Design, longest_design
from millstream.tournament.dice import dice
from millstream.tournament.fit import levelled, substituted, thinned
from millstream.tournament.labels import spread_tables
from millstream.tournament.meetings import Meetings, least_cost
from millstream.tournament.shape import SeatingPlan, Shape, even_shape, fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A seating plan: `rounds` of tables of players 0..N-1, and what is known about it.

    No plan of its shape can have more than `upper_bound` different pairs; `proved_best` says that this one has as
    many. Who is at no table of a round sits out. `method` says where it is from.
    """

    rounds: SeatingPlan
    distinct_pairs: int
    upper_bound: int
    proved_best: bool
    method: str


def plan(players: int, tables: int, seats: int, rounds: int, *, seed: int = 0, seconds: float = 2) -> Schedule:
    """Seat `players` at `tables` of `seats` for `rounds` rounds so that as many different pairs meet as possible.

    Every table is used in every round, with sizes that differ by one at most; with more players than seats, nobody
    sits out twice before everybody did once. `seconds` is turned into a number of moves at a fixed rate, so the same
    arguments give the same plan on any machine; a plan that reaches the upper bound comes sooner. Raises
    WrongValueError.
    """
    check_frame(players=players, tables=tables, seats=seats, rounds=rounds)
    check_seconds(seconds)
    shape = even_shape(players, tables=tables, seats=seats, rounds=rounds)
    bound = upper_bound(players, sizes=shape.sizes)
    nobody = Meetings.none(players, most=rounds)
    rng = dice(seed)
    candidates = _candidates(shape, room=_whole_room(shape, bound=bound, history=nobody), seconds=seconds, rng=rng)
    best = next(candidates)
    flaws = nobody.after(best.rounds).flaws()
    unmet = comb(players, 2) - bound
    while flaws.unmet_pairs > unmet and (other := next(candidates, None)):
        if (other_flaws := nobody.after(other.rounds).flaws()) < flaws:
            best, flaws = other, other_flaws
    return Schedule(
        rounds=spread_tables(best.rounds, visits=[[0] * tables for _ in range(players)], rng=rng),
        distinct_pairs=comb(players, 2) - flaws.unmet_pairs,
        upper_bound=bound,
        proved_best=flaws.unmet_pairs == unmet,
        method=best.method,
    )


def _whole_room(shape: Shape, *, bound: int, history: Meetings) -> Room:
    """Everything may be changed, until the bound is reached with even repeats."""
    meetings = sum(comb(size, 2) for sizes in shape.sizes for size in sizes)
    return Room(
        groups=[[range(len(sizes))] for sizes in shape.sizes],
        pinned=[()] * len(shape.sizes),
        history=history,
        goal=least_cost(pairs=comb(shape.players, 2), met=bound, meetings=meetings),
    )


def _candidates(shape: Shape, *, room: Room, seconds: float, rng: Random) -> Iterator[Design]:
    """Plans from the cheapest source to the dearest; at least one."""
    rounds, tables, seats = len(shape.sizes), len(shape.sizes[0]), max(shape.sizes[0])
    moves = left = moves_in(seconds, seats=seats)
    known = longest_design(tables, seats)
    if len(known.rounds) < rounds:
        found = cyclic.search(tables, seats=seats, rounds=rounds, moves=moves // 8, rng=rng)
        known = Design(rounds=found, method="cyclic search") if found else known
        left -= moves // 8
    base = None if shape.sitting_out[0] else thinned(known, shape=shape)
    if base is None:
        base = _repaired(known, shape=shape, room=room, moves=moves // 4, rng=rng)
        left -= moves // 4
    if len(base.rounds) < rounds:
        base = _continued(base, shape=shape, room=room, moves=moves // 8, rng=rng)
        left -= moves // 8
    yield base
    annealed = best_seating(lambda: _random_rounds(shape, first=0, rng=rng), room=room, moves=left, rng=rng)
    yield Design(rounds=annealed, method="annealing")


def _repaired(known: Design, *, shape: Shape, room: Room, moves: int, rng: Random) -> Design:
    """The first rounds of a design that does not fit without repeats, with as few of them as are found."""
    count = min(len(known.rounds), len(shape.sizes))
    some = replace(room, groups=room.groups[:count], pinned=room.pinned[:count])
    fit, change = (substituted, "with substitutes") if shape.sitting_out[0] else (levelled, "with seats left empty")
    rounds = best_seating(lambda: fit(known, shape=shape, rng=rng), room=some, moves=moves, rng=rng, heat=WARM)
    return Design(rounds=rounds, method=f"{known.method}, {change}, then annealing")


def _continued(base: Design, *, shape: Shape, room: Room, moves: int, rng: Random) -> Design:
    """The base, which is too short, and more rounds by annealing."""
    played = len(base.rounds)
    after = replace(room, groups=[[]] * played + list(room.groups[played:]))
    rounds = best_seating(
        lambda: base.rounds + _random_rounds(shape, first=played, rng=rng), room=after, moves=moves, rng=rng
    )
    return Design(rounds=rounds, method=f"{base.method}, more rounds by annealing")


def _random_rounds(shape: Shape, *, first: int, rng: Random) -> SeatingPlan:
    """Everybody at a random table, from round `first` on."""
    rounds = []
    for turn in range(first, len(shape.sizes)):
        players = shape.seated(turn)
        rng.shuffle(players)
        rounds.append(fill(players, sizes=shape.sizes[turn]))
    return rounds
