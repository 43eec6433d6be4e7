"""Simulated annealing of a seating: swap two players of one round, keep what mixes better.

Theory of operation: see `meetings` for the cost. A worse seating is taken with a chance that falls with what it costs
more, and with the temperature, which sinks through a run. A run can end in a hollow that it does not get out of, so
there are some short runs and a long one. Annealing counts pairs and does not see whose they are, so the best seating
is polished: a swap that loses no pair is kept when it lowers the sum over players of (unmet others)^2, which is least
when the unmet pairs are spread evenly; equal sums are kept as a way across plateaus.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import log
from random import Random

from millstream.tournament.meetings import UNMET, Meetings, Place, swap, swap_cost
from millstream.tournament.shape import SeatingPlan

HOT, WARM, _COLD = 0.6 * UNMET, 0.2 * UNMET, 0.12 * UNMET
"""Temperatures: where a run begins, where one begins that is to keep most of its start, and where all end."""

_BLOCK = 500
"""Moves between two looks at what was reached."""

_RUNS = (0.08, 0.08, 0.08, 0.08, 0.08, 0.3, 0.3)
"""How the moves are shared out among runs, when there are enough for several."""

_ENOUGH = 20_000

_POLISH = 0.05
"""The share of the moves that polishing gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a search may change of a seating, and what it comes after.

    Players change places within a group of tables of a round, `groups[round]`, apart from those in `pinned[round]`.
    The search ends early at a seating that costs no more than `goal`.
    """

    groups: Sequence[Sequence[Collection[int]]]
    pinned: Sequence[Collection[int]]
    history: Meetings
    goal: int = 0


def moves_in(seconds: float, *, seats: int) -> int:
    """How many moves `seconds` pay for: a fixed rate, so that the same seconds give the same seating anywhere.

    The core that bench/tournament.py was run on needs two thirds of the time; a move takes longer at larger tables.
    """
    return int(seconds * 1_000_000 / (0.5 + 0.12 * seats))


def best_seating(
    start: Callable[[], SeatingPlan], *, room: Room, moves: int, rng: Random, heat: float = HOT
) -> SeatingPlan:
    """The best seating that about `moves` swaps find; every run begins with a new `start`."""
    annealing = (1 - _POLISH) * moves
    best = start()
    flaws = room.history.after(best).flaws()
    for share in _RUNS if moves >= _ENOUGH else (1.0,):
        cost, found = anneal(start(), room=room, moves=int(share * annealing), rng=rng, heat=heat)
        if (found_flaws := room.history.after(found).flaws()) < flaws:
            best, flaws = found, found_flaws
        if cost <= room.goal:
            return best
    return polish(best, room=room, moves=int(_POLISH * moves), rng=rng)


def anneal(start: SeatingPlan, *, room: Room, moves: int, rng: Random, heat: float = HOT) -> tuple[int, SeatingPlan]:
    """Improve a seating by `moves` swaps; returns the lowest cost that was seen at the end of a block, and where."""
    plan, pools = _open(start, room=room)
    meetings = room.history.after(plan)
    met, steps, random = meetings.met, meetings.steps(), rng.random
    cost = best = meetings.cost()
    kept = _players(pools)
    temperature, cooling = heat, (_COLD / heat) ** (_BLOCK / max(moves, _BLOCK))
    for _ in range(moves // _BLOCK if pools else 0):
        for _ in range(_BLOCK):
            pool = pools[int(random() * len(pools))]
            one, other = pool[int(random() * len(pool))], pool[int(random() * len(pool))]
            if one[0] is other[0]:
                continue
            change = swap_cost(met, steps, one, other)
            if change <= 0 or change < -temperature * log(1.0 - random()):
                swap(met, one, other)
                cost += change
        temperature *= cooling
        if cost < best:
            best, kept = cost, _players(pools)
            if best <= room.goal:
                break
    for pool, players in zip(pools, kept, strict=True):
        for (table, place), player in zip(pool, players, strict=True):
            table[place] = player
    return best, plan


def polish(start: SeatingPlan, *, room: Room, moves: int, rng: Random) -> SeatingPlan:
    """Raise the fewest opponents of a player by `moves` tries, without losing a pair."""
    plan, pools = _open(start, room=room)
    meetings = room.history.after(plan)
    met, steps, random = meetings.met, meetings.steps(repeat=0), rng.random
    for _ in range(moves if pools else 0):
        pool = pools[int(random() * len(pools))]
        one, other = pool[int(random() * len(pool))], pool[int(random() * len(pool))]
        if one[0] is other[0] or (change := swap_cost(met, steps, one, other)) > 0:
            continue
        affected = one[0] + other[0]
        before = _unevenness(met, affected)
        swap(met, one, other)
        if change == 0 and _unevenness(met, affected) > before:
            swap(met, one, other)
    return plan


def _open(start: SeatingPlan, *, room: Room) -> tuple[SeatingPlan, list[list[Place]]]:
    """A copy of the seating to change, and its seats by pool."""
    plan = [[table[:] for table in tables] for tables in start]
    pools = [
        [(tables[t], place) for t in group for place, player in enumerate(tables[t]) if player not in pinned]
        for tables, groups, pinned in zip(plan, room.groups, room.pinned, strict=True)
        for group in groups
    ]
    return plan, [pool for pool in pools if pool]


def _players(pools: list[list[Place]]) -> list[list[int]]:
    return [[table[place] for table, place in pool] for pool in pools]


def _unevenness(met: Sequence[Sequence[int]], players: Sequence[int]) -> int:
    return sum(met[player].count(0) ** 2 for player in players)
