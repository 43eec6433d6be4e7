"""Fewer players at the tables of a design.

Theory of operation: without some of its players a repeat-free schedule stays one. When no two of those who go ever
meet, each table loses one at most, so that sizes still differ by one at most.
"""

from itertools import combinations

from millstream.tournament.designs import Design
from millstream.tournament.shape import SeatingPlan, Shape

_MOST_STEPS = 10_000
"""How long to look for players who never meet."""


def thinned(design: Design, *, shape: Shape) -> Design | None:
    """The first rounds of the design with as many players as the shape has; None when it cannot lose so many.

    The shape seats everybody, at as many tables as the design has.
    """
    wanted = design.rounds[: len(shape.sizes)]
    everybody = range(sum(map(len, wanted[0])))
    gone = _strangers(wanted, players=len(everybody), count=len(everybody) - shape.players)
    if gone is None:
        return None
    number = {player: index for index, player in enumerate(p for p in everybody if p not in gone)}
    rounds = []
    for tables, sizes in zip(wanted, shape.sizes, strict=False):
        left = sorted(([number[p] for p in table if p in number] for table in tables), key=len)
        places = sorted(range(len(sizes)), key=lambda place: sizes[place])
        rounds.append([table for _, table in sorted(zip(places, left, strict=True))])
    suffix = f" without {len(gone)} of its players" if gone else ""
    return Design(rounds=rounds, method=design.method + suffix)


def _strangers(plan: SeatingPlan, *, players: int, count: int) -> list[int] | None:
    """So many players of whom no two ever meet; None when there are none, or they are not found soon."""
    met: list[set[int]] = [set() for _ in range(players)]
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

    return extend([], list(range(players)))
