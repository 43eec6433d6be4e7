"""Schedules that turn like a clock: one round, and its translates.

Theory of operation: players are `fixed` ones that never move and circles of `modulus` residues, numbered circle by
circle, the fixed ones last. Adding 1 to every residue turns a round into the next one, so `modulus` rounds follow from
the first. Turning also carries pairs to pairs; a pair repeats exactly when two pairs of the *first* round lie in one
orbit, or a pair in an orbit shorter than the circle. So it is enough to anneal one round until no orbit is used twice:
a search smaller by the factor `modulus`, which reaches schedules that annealing of all rounds does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, log
from random import Random

from millstream.tournament.shape import SeatingPlan

_HOT, _COLD = 0.8, 0.13
"""Temperatures at the begin and the end of an attempt, in repeated orbits."""

_ATTEMPT = 100_000
"""Moves of one attempt; then it starts again from another round."""

_BLOCK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Circles:
    """How the players are split: `modulus` rounds, `circles` x `modulus` residues and `fixed` ones."""

    modulus: int
    circles: int
    fixed: int

    @property
    def players(self) -> int:
        """All of them."""
        return self.circles * self.modulus + self.fixed

    @property
    def orbits(self) -> int:
        """How many orbits of pairs may be used: those as long as the circle, and never two fixed players."""
        inside = self.circles * ((self.modulus - 1) // 2)
        return inside + comb(self.circles, 2) * self.modulus + self.fixed * self.circles


def develop(base: Sequence[Sequence[int]], *, modulus: int, fixed: int) -> SeatingPlan:
    """All rounds that follow from the round `base`."""
    moving = sum(map(len, base)) - fixed

    def turned(player: int, turn: int) -> int:
        if player >= moving:
            return player
        circle, residue = divmod(player, modulus)
        return circle * modulus + (residue + turn) % modulus

    return [[[turned(player, turn) for player in table] for table in base] for turn in range(modulus)]


def search(tables: int, *, seats: int, rounds: int, moves: int, rng: Random) -> SeatingPlan | None:
    """Look for a repeat-free schedule of at least `rounds` rounds at full tables; None when `moves` do not find one.

    Tries the ways to split the players in turn, a new attempt each, those with most room first.
    """
    splits = sorted(_splits(tables, seats, rounds), key=lambda split: -split.orbits)[:4]
    for attempt in range(moves // _ATTEMPT if splits else 0):
        split = splits[attempt % len(splits)]
        base = _search_base(split, tables=tables, seats=seats, rng=rng)
        if base is not None:
            return develop(base, modulus=split.modulus, fixed=split.fixed)
    return None


def _splits(tables: int, seats: int, rounds: int) -> Iterator[Circles]:
    """The ways to split all players into circles and at most one fixed player per table, with orbits enough."""
    players = tables * seats
    if seats > tables:
        return
    for modulus in range(rounds, (players - 1) // (seats - 1) + 1):
        for fixed in range(players % modulus, tables + 1, modulus):
            split = Circles(modulus=modulus, circles=(players - fixed) // modulus, fixed=fixed)
            if split.orbits >= tables * comb(seats, 2):
                yield split


def _orbits(split: Circles) -> tuple[list[list[int]], list[int]]:
    """The orbit of each pair, as a symmetric matrix, and how often each orbit is used before anybody sits down.

    Orbits that must not be used start as used.
    """
    number: dict[tuple[int, int, int], int] = {}
    used: list[int] = []
    moving = split.circles * split.modulus
    orbit = [[0] * split.players for _ in range(split.players)]
    for p, q in combinations(range(split.players), 2):
        circle, residue = divmod(p, split.modulus)
        other, other_residue = divmod(q, split.modulus)
        turn = (other_residue - residue) % split.modulus
        if q >= moving:
            key, banned = (circle if p < moving else -1, -1, q if p < moving else 0), p >= moving
        elif circle == other:
            key, banned = (circle, circle, min(turn, split.modulus - turn)), 2 * turn == split.modulus
        else:
            key, banned = (circle, other, turn), False
        if key not in number:
            number[key] = len(used)
            used.append(int(banned))
        orbit[p][q] = orbit[q][p] = number[key]
    return orbit, used


def _search_base(split: Circles, *, tables: int, seats: int, rng: Random) -> list[list[int]] | None:
    """Anneal one round until no orbit is used twice; None when the attempt ends before."""
    orbit, used = _orbits(split)
    base = _random_base(split, tables=tables, seats=seats, rng=rng)
    repeats = sum(_take(used, [orbit[p][q] for p, q in combinations(table, 2)]) for table in base)
    random, size = rng.random, split.players
    temperature, cooling = _HOT, (_COLD / _HOT) ** (_BLOCK / _ATTEMPT)
    for move in range(_ATTEMPT):
        if repeats == 0:
            return base
        if move % _BLOCK == 0:
            temperature *= cooling
        here, i = divmod(int(random() * size), seats)
        there, j = divmod(int(random() * size), seats)
        if here == there:
            continue
        p, q = base[here][i], base[there][j]
        mine, yours = orbit[p], orbit[q]
        beside_p = [other for other in base[here] if other != p]
        beside_q = [other for other in base[there] if other != q]
        leaving = [mine[other] for other in beside_p] + [yours[other] for other in beside_q]
        coming = [yours[other] for other in beside_p] + [mine[other] for other in beside_q]
        change = _take(used, coming) - _give_back(used, leaving)
        if change <= 0 or change < -temperature * log(1.0 - random()):
            base[here][i], base[there][j] = q, p
            repeats += change
        else:
            _take(used, leaving)
            _give_back(used, coming)
    return None


def _random_base(split: Circles, *, tables: int, seats: int, rng: Random) -> list[list[int]]:
    moving = split.circles * split.modulus
    waiting = list(range(moving))
    rng.shuffle(waiting)
    base = [[moving + table] if table < split.fixed else [] for table in range(tables)]
    return [table + [waiting.pop() for _ in range(seats - len(table))] for table in base]


def _take(used: list[int], orbits: list[int]) -> int:
    """Use each of these orbits once more; returns how many repeats that adds."""
    repeats = 0
    for orbit in orbits:
        repeats += used[orbit]
        used[orbit] += 1
    return repeats


def _give_back(used: list[int], orbits: list[int]) -> int:
    """Use each of these orbits once less; returns how many repeats that takes away."""
    repeats = 0
    for orbit in orbits:
        used[orbit] -= 1
        repeats += used[orbit]
    return repeats
