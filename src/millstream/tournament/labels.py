"""Which table has which number, so that people change tables from round to round.

Theory of operation: exchanging the numbers of two tables of one size in a round changes who sits where, not who meets
whom. For one round, sending the group at table a to table b costs as many revisits as its players had visits to b in
the other rounds; exchanges of two numbers that lower the sum are made until there are none, round after round.
"""

from collections.abc import Collection, Sequence
from itertools import combinations

from millstream.tournament.shape import SeatingPlan

_PASSES = 8


def spread_tables(
    plan: SeatingPlan,
    *,
    visits: Sequence[Sequence[int]],
    held: Sequence[Collection[int]] = (),
) -> SeatingPlan:
    """The same plan with table numbers exchanged so that few players come back to a table.

    `visits[player][table]` counts the rounds before; the tables `held[round]` keep their number.
    """
    result = [tables[:] for tables in plan]
    seen = [list(row) for row in visits]
    for tables in result:
        _count(seen, tables, by=1)
    for _ in range(_PASSES):
        changed = False
        for turn, tables in enumerate(result):
            _count(seen, tables, by=-1)
            changed |= _settle(tables, seen=seen, held=held[turn] if held else ())
            _count(seen, tables, by=1)
        if not changed:
            break
    return result


def revisits(plan: SeatingPlan, *, players: int) -> int:
    """How many times a player sits down at a table that he sat at before."""
    places = {(player, t) for tables in plan for t, table in enumerate(tables) for player in table}
    return sum(len(table) for tables in plan for table in tables) - len(places)


def _count(seen: list[list[int]], tables: Sequence[Sequence[int]], *, by: int) -> None:
    for number, table in enumerate(tables):
        for player in table:
            seen[player][number] += by


def _settle(tables: list[list[int]], *, seen: Sequence[Sequence[int]], held: Collection[int]) -> bool:
    """Exchange numbers within one round until that lowers nothing; says whether any was exchanged."""
    numbers = range(len(tables))
    cost = [[sum(seen[player][number] for player in table) for number in numbers] for table in tables]
    free = [number for number in numbers if number not in held]
    changed, again = False, True
    while again:
        again = False
        for a, b in combinations(free, 2):
            gain = cost[a][a] + cost[b][b] - cost[a][b] - cost[b][a]
            if gain > 0 and len(tables[a]) == len(tables[b]):
                tables[a], tables[b] = tables[b], tables[a]
                cost[a], cost[b] = cost[b], cost[a]
                again = changed = True
    return changed
