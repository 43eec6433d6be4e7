"""A design for fewer or more players than it has seats.

Theory of operation: without some of its players a repeat-free schedule stays one. When no two of those who go ever
meet, each table loses one at most, so that sizes still differ by one at most. When there are no such players, those go
who share a table in the last round: then every other round is as good as before, and only that one has to be levelled
by moving players from larger tables to smaller ones, which costs some repeats.

With more players than seats the surplus are substitutes: they play in the seats of those who sit out, and all others
keep their seats in the design, so only the substitutes can meet anybody twice.
"""

from itertools import combinations
from random import Random

from millstream.tournament.designs import Design
from millstream.tournament.shape import SeatingPlan, Shape

_MOST_STEPS = 10_000
"""How long to look for players who never meet."""


def thinned(design: Design, *, shape: Shape) -> Design | None:
    """The first rounds of the design with as many players as the shape has; None when it cannot lose so many.

    The shape seats everybody, at as many tables as the design has.
    """
    wanted = design.rounds[: len(shape.sizes)]
    gone = _strangers(wanted, count=_surplus(wanted, shape=shape))
    if gone is None:
        return None
    rounds = _without(gone, wanted, shape=shape)
    suffix = f" without {len(gone)} of its players" if gone else ""
    return Design(rounds=rounds, method=design.method + suffix)


def levelled(design: Design, *, shape: Shape, rng: Random) -> SeatingPlan:
    """The same for players who meet in one round, with its tables levelled at random."""
    wanted = design.rounds[: len(shape.sizes)]
    gone = [player for table in wanted[-1] for player in table][: _surplus(wanted, shape=shape)]
    rounds = _without(gone, wanted, shape=shape)
    for tables, sizes in zip(rounds, shape.sizes, strict=False):
        crowd = []
        for table, size in zip(tables, sizes, strict=True):
            rng.shuffle(table)
            crowd += [table.pop() for _ in range(len(table) - size)]
        rng.shuffle(crowd)
        for table, size in zip(tables, sizes, strict=True):
            table += [crowd.pop() for _ in range(size - len(table))]
    return rounds


def substituted(design: Design, *, shape: Shape, rng: Random) -> SeatingPlan:
    """The first rounds of the design with substitutes, its seats given to players at random.

    Those who sit out first, in the round before they are needed, are the substitutes.
    """
    wanted = design.rounds[: len(shape.sizes)]
    substitutes = set(shape.sitting_out[0])
    regulars = [player for player in range(shape.players) if player not in substitutes]
    rng.shuffle(regulars)
    rounds = []
    for tables, out in zip(wanted, shape.sitting_out, strict=False):
        bench = sorted(substitutes.difference(out))
        rng.shuffle(bench)
        players = [[regulars[seat] for seat in table] for table in tables]
        rounds.append([[bench.pop() if player in out else player for player in table] for table in players])
    return rounds


def _surplus(plan: SeatingPlan, *, shape: Shape) -> int:
    return sum(map(len, plan[0])) - shape.players


def _without(gone: list[int], plan: SeatingPlan, *, shape: Shape) -> SeatingPlan:
    """The tables without some players, the others renumbered, larger tables where the shape has them."""
    everybody = sorted(player for table in plan[0] for player in table)
    number = {player: index for index, player in enumerate(p for p in everybody if p not in gone)}
    rounds = []
    for tables, sizes in zip(plan, shape.sizes, strict=False):
        left = sorted(([number[p] for p in table if p in number] for table in tables), key=len)
        places = sorted(range(len(sizes)), key=lambda place: sizes[place])
        rounds.append([table for _, table in sorted(zip(places, left, strict=True))])
    return rounds


def _strangers(plan: SeatingPlan, *, count: int) -> list[int] | None:
    """So many players of whom no two ever meet; None when there are none, or they are not found soon."""
    met: dict[int, set[int]] = {player: set() for table in plan[0] for player in table}
    for tables in plan:
        for table in tables:
            for p, q in combinations(table, 2):
                met[p].add(q)
                met[q].add(p)
    steps = 0

    def extend(chosen: list[int], free: list[int]) -> list[int] | None:
        nonlocal steps
        steps += 1
        if len(chosen) == count:
            return chosen
        while len(chosen) + len(free) >= count and steps < _MOST_STEPS:
            player, *free = free
            found = extend([*chosen, player], [other for other in free if other not in met[player]])
            if found is not None:
                return found
        return None

    return extend([], sorted(met))
