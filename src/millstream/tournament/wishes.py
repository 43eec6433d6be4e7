"""Wishes about who sits with whom and where, and seatings that fulfil them.

Theory of operation: people to be kept together are one unit, which takes one table; a unit may be bound to a table and
may have enemies. Units with constraints are placed one by one, the most bound first, going back when one fits nowhere;
everybody else fills what is left. The search is exact, with a limit on its steps that real events do not reach. Which
wishes clash is found by trying: one alone, two, and otherwise all without those that can be left out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations, count
from random import Random
from typing import TypeAlias

from millstream.tournament.errors import WishError

Player: TypeAlias = int | str
"""A player's name or number."""

_MOST_STEPS = 20_000


class Kind(StrEnum):
    """What a wish is about."""

    APART = "apart"
    TOGETHER = "together"
    TABLE = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Keep players apart, together, or at `table`; in all rounds, or in `round_number` only."""

    kind: Kind
    players: tuple[Player, ...]
    table: int | None = None
    round_number: int | None = None

    def __str__(self) -> str:
        names = " and ".join(map(str, self.players))
        where = f"at table {self.table}" if self.kind is Kind.TABLE else str(self.kind)
        when = f" in round {self.round_number}" if self.round_number else ""
        return f"{names} {where}{when}"


def without(wishes: Iterable[Wish], *, player: Player) -> list[Wish]:
    """The wishes for the others when a player leaves."""
    rest = (replace(wish, players=tuple(p for p in wish.players if p != player)) for wish in wishes)
    return [wish for wish in rest if len(wish.players) > (wish.kind is not Kind.TABLE)]


def wishes_of(wishes: Iterable[Wish], *, round_number: int) -> tuple[Wish, ...]:
    """Those that hold in a round."""
    return tuple(wish for wish in wishes if wish.round_number in {None, round_number})


def bound_tables(wishes: Iterable[Wish]) -> dict[Player, int]:
    """The table of each player who has to sit at a certain one."""
    return {player: wish.table for wish in wishes if wish.table is not None for player in wish.players}


def pairs(wishes: Iterable[Wish], *, kind: Kind) -> list[tuple[Player, Player]]:
    """All pairs of the wishes of a kind."""
    return [pair for wish in wishes if wish.kind is kind for pair in combinations(wish.players, 2)]


def check_wishes(wishes: Sequence[Wish], *, possible: Callable[[Sequence[Wish]], bool]) -> None:
    """Raise WishError with the fewest wishes that are not `possible` together, if there are such."""
    if possible(wishes):
        return
    for size in (1, 2):
        for some in combinations(wishes, size):
            if not possible(some):
                raise WishError(list(map(str, some)))
    clash = list(wishes)
    for wish in wishes:
        rest = [other for other in clash if other is not wish]
        if not possible(rest):
            clash = rest
    raise WishError(list(map(str, clash)))


def seat_by_wishes(
    players: Sequence[Player], *, sizes: Mapping[int, int], wishes: Collection[Wish], rng: Random
) -> dict[int, list[Player]] | None:
    """Seat players at the numbered tables of these `sizes`, all seats taken, so that all wishes hold.

    Wishes about players who are not among these do not count; None when it is not possible.
    """
    units = _units(players, wishes=wishes)
    if units is None:
        return None
    tables: dict[int, list[Player]] = {number: [] for number in sizes}
    bound = sorted((unit for unit in units if not unit.free), key=lambda unit: unit.order)
    if not _place(bound, tables=tables, sizes=sizes, rng=rng, steps=count(_MOST_STEPS, -1)):
        return None
    others = [player for unit in units if unit.free for player in unit.players]
    rng.shuffle(others)
    for number, table in tables.items():
        while len(table) < sizes[number]:
            table.append(others.pop())
    return tables


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """Players who take one table together."""

    players: tuple[Player, ...]
    table: int | None
    enemies: frozenset[Player]

    @property
    def free(self) -> bool:
        return len(self.players) == 1 and self.table is None and not self.enemies

    @property
    def order(self) -> tuple[bool, int, int]:
        return self.table is None, -len(self.players), -len(self.enemies)


def _place(
    waiting: Sequence[_Unit],
    *,
    tables: dict[int, list[Player]],
    sizes: Mapping[int, int],
    rng: Random,
    steps: Iterator[int],
) -> bool:
    """Add all units to the tables; says whether that was possible, and leaves the tables alone when not."""
    if not waiting:
        return True
    unit, *rest = waiting
    numbers = rng.sample(list(sizes), len(sizes)) if unit.table is None else [unit.table]
    for number in numbers:
        table = tables.get(number)
        if table is None or len(table) + len(unit.players) > sizes[number]:
            continue
        if unit.enemies.isdisjoint(table) and next(steps) > 0:
            table.extend(unit.players)
            if _place(rest, tables=tables, sizes=sizes, rng=rng, steps=steps):
                return True
            del table[-len(unit.players) :]
    return False


def _units(players: Sequence[Player], *, wishes: Collection[Wish]) -> list[_Unit] | None:
    """The units of these players; None when one of them contradicts itself."""
    here = set(players)
    group = {player: {player} for player in players}
    for p, q in pairs(wishes, kind=Kind.TOGETHER):
        if p in here and q in here and group[p] is not group[q]:
            group[p] |= group[q]
            for player in group[q]:
                group[player] = group[p]
    enemies: dict[Player, set[Player]] = {player: set() for player in players}
    for p, q in pairs(wishes, kind=Kind.APART):
        if p in here and q in here:
            enemies[p].add(q)
            enemies[q].add(p)
    units = []
    for members in {id(members): members for members in group.values()}.values():
        tables = {wish.table for wish in wishes if wish.kind is Kind.TABLE and members & set(wish.players)}
        hated = frozenset().union(*(enemies[player] for player in members))
        if len(tables) > 1 or not hated.isdisjoint(members):
            return None
        ordered = tuple(player for player in players if player in members)
        units.append(_Unit(players=ordered, table=tables.pop() if tables else None, enemies=hated))
    return units
