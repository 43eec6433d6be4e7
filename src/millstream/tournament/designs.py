"""Schedules in which nobody meets anybody twice, computed or looked up.

Theory of operation: four sources. *Round robin* for two seats. *Transversal designs*: players are (column c, residue
y), the table j of round r holds one player of each column, (c, j + r c), calculated in a ring of T elements: two of
them meet in the round r with y - y' = r (c - c') and in no other as long as (r - r')(c - c') is never zero, which holds
when the columns or the rounds come from the diagonal of the ring. Players of one column have not met by then: when the
number of seats divides T, every column plays a schedule of its own at its share of the tables. *Embedded schedules*
come from the literature. *Starters* are one round, of which the others are translates: see `cyclic`.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product

from millstream.tournament.cyclic import develop
from millstream.tournament.fields import ring
from millstream.tournament.shape import SeatingPlan

_LARGEST_RING = 64
"""Beyond this many tables the field tables cost more time than they save: annealing has room enough there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A schedule without a repeat for full tables; `method` says where it is from."""

    rounds: SeatingPlan
    method: str


@cache
def longest_design(tables: int, seats: int) -> Design:
    """The repeat-free schedule with the most rounds that is known here; at least one round. Do not change it."""
    candidates = [Design(rounds=[_one_round(tables, seats)], method="one round")]
    if seats == 2:  # noqa: PLR2004 - pairs
        candidates.append(Design(rounds=_round_robin(tables), method="round robin"))
    elif seats <= tables <= _LARGEST_RING:
        candidates.append(_transversal(tables, seats))
    candidates.extend(_embedded().get((tables, seats), []))
    return max(candidates, key=lambda design: len(design.rounds))


def _one_round(tables: int, seats: int) -> list[list[int]]:
    return [list(range(table * seats, (table + 1) * seats)) for table in range(tables)]


def _round_robin(tables: int) -> SeatingPlan:
    """The circle method: one player stays, the others move on by one."""
    last = 2 * tables - 1
    return [[[last, turn]] + [[(turn + i) % last, (turn - i) % last] for i in range(1, tables)] for turn in range(last)]


def _transversal(tables: int, seats: int) -> Design:
    numbers = ring(tables)
    if seats <= len(numbers.diagonal):
        columns, slopes = numbers.diagonal[:seats], tuple(range(tables))
    else:
        columns, slopes = tuple(range(seats)), numbers.diagonal
    rounds = [
        [[c * tables + numbers.plus[j][numbers.times[r][x]] for c, x in enumerate(columns)] for j in range(tables)]
        for r in slopes
    ]
    method = f"transversal design of order {tables}"
    if tables % seats == 0:
        inner = longest_design(tables // seats, seats)
        rounds += [
            [[column * tables + y for y in table] for column, table in product(range(seats), turn)]
            for turn in inner.rounds
        ]
        method += ", columns filled"
    return Design(rounds=rounds, method=method)


@cache
def _embedded() -> dict[tuple[int, int], list[Design]]:
    """The schedules and starters of schedules.json by tables and seats."""
    text = files("millstream.tournament").joinpath("schedules.json").read_text(encoding="utf-8")
    data = json.loads(text)
    designs: dict[tuple[int, int], list[Design]] = {}
    for entry in data["schedules"]:
        design = Design(rounds=entry["rounds"], method="embedded schedule")
        designs.setdefault((entry["tables"], entry["seats"]), []).append(design)
    for entry in data["starters"]:
        rounds = develop(entry["base"], modulus=entry["modulus"], fixed=entry["fixed"])
        design = Design(rounds=rounds, method=f"embedded starter modulo {entry['modulus']}")
        designs.setdefault((entry["tables"], entry["seats"]), []).append(design)
    return designs
