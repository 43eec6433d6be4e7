"""Which table has which number, so that people change tables from round to round.

Theory of operation: exchanging the numbers of two tables of one size in a round changes who sits where, not who meets
whom. So the numbers are annealed after the seating, at the cost of one for each time that somebody comes back to a
table. Exchanges that only improve are not enough: designs begin in hollows, with a column that never moves.
"""

from collections.abc import Collection, Sequence
from math import log
from random import Random

from millstream.tournament.shape import SeatingPlan

_HOT, _COLD = 4.0, 0.15
_MOVES_PER_TABLE = 500


def spread_tables(
    plan: SeatingPlan,
    *,
    visits: Sequence[Sequence[int]],
    rng: Random,
    held: Sequence[Collection[int]] = (),
    most_moves: int = 200_000,
) -> SeatingPlan:
    """The same plan with table numbers exchanged so that few players come back to a table.

    `visits[player][table]` counts the rounds before; the tables `held[round]` keep their number.
    """
    result = [tables[:] for tables in plan]
    seen = [list(row) for row in visits]
    for tables in result:
        for number, table in enumerate(tables):
            for player in table:
                seen[player][number] += 1
    free = [
        (tables, [number for number in range(len(tables)) if not held or number not in held[turn]])
        for turn, tables in enumerate(result)
    ]
    free = [(tables, numbers) for tables, numbers in free if len(numbers) > 1]
    return result if free and _anneal(free, seen=seen, most_moves=most_moves, rng=rng) < 0 else plan


def revisits(plan: SeatingPlan) -> int:
    """How many times a player sits down at a table that he sat at before."""
    places = {(player, number) for tables in plan for number, table in enumerate(tables) for player in table}
    return sum(len(table) for tables in plan for table in tables) - len(places)


def _anneal(
    free: list[tuple[list[list[int]], list[int]]], *, seen: list[list[int]], most_moves: int, rng: Random
) -> int:
    """Exchange tables of a round in place; `free` holds rounds with the numbers that may be exchanged.

    Returns how many more returns to a table there are than before.
    """
    total = 0
    random = rng.random
    moves = min(most_moves, _MOVES_PER_TABLE * sum(len(numbers) for _, numbers in free))
    temperature, cooling = _HOT, (_COLD / _HOT) ** (1 / max(moves, 1))
    for _ in range(moves):
        temperature *= cooling
        tables, numbers = free[int(random() * len(free))]
        a, b = numbers[int(random() * len(numbers))], numbers[int(random() * len(numbers))]
        here, there = tables[a], tables[b]
        if a == b or len(here) != len(there):
            continue
        change = _change(seen, here, a, b) + _change(seen, there, b, a)
        if change <= 0 or change < -temperature * log(1.0 - random()):
            _move(seen, here, a, b)
            _move(seen, there, b, a)
            tables[a], tables[b] = there, here
            total += change
    return total


def _change(seen: list[list[int]], players: list[int], a: int, b: int) -> int:
    """How many more returns to a table there are when these players sit at b instead of a."""
    return sum((seen[player][b] > 0) - (seen[player][a] > 1) for player in players)


def _move(seen: list[list[int]], players: list[int], a: int, b: int) -> None:
    for player in players:
        seen[player][a] -= 1
        seen[player][b] += 1
