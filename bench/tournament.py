"""Seating plans against their bounds and against simple methods, and the formats of an event by simulation.

Run `python bench/tournament.py [--quick] [--json] [--plots FOLDER]`. Pairs are counted here, not taken from the plan.
Seconds are CPU seconds of one core.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from itertools import combinations
from math import comb
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from millstream.tournament import plan, simulate
from millstream.tournament.anneal import Room, anneal, moves_in
from millstream.tournament.designs import longest_design
from millstream.tournament.dice import dice
from millstream.tournament.meetings import UNMET, Meetings
from tournament_plots import FORMATS, PAIRS, write_plots

Row = dict[str, str | int | float]
Rounds = list[list[list[int]]]
Shape = tuple[int, int, int, int]
T = TypeVar("T")

REQUIRED: dict[Shape, int] = {
    (9, 3, 3, 4): 36,
    (16, 4, 4, 5): 120,
    (15, 5, 3, 7): 105,
    (21, 7, 3, 10): 210,
    (32, 8, 4, 10): 480,
    (36, 6, 6, 3): 270,
    (36, 6, 6, 4): 358,
    (12, 3, 4, 3): 48,
    (12, 3, 4, 4): 59,
    (12, 3, 4, 5): 66,
    (100, 20, 5, 10): 2_000,
    (30, 8, 4, 6): 252,
    (10, 3, 4, 4): 45,
}
BEST_KNOWN = {
    2: [3],
    3: [5, 4],
    4: [7, 4, 5],
    5: [9, 7, 5, 6],
    6: [11, 8, 7, 6, 3],
    7: [13, 10, 9, 7, 7, 8],
    8: [15, 11, 10, 8, 8, 8, 9],
    9: [17, 13, 11, 9, 9, 9, 9, 10],
    10: [19, 14, 13, 9, 7, 7, 5, 5, 4],
}
COMPARED: list[Shape] = [(12, 3, 4, 4), (16, 4, 4, 5), (30, 8, 4, 6), (32, 8, 4, 10), (36, 6, 6, 4), (57, 8, 8, 9)]
EVENTS: list[Shape] = [(16, 4, 4, 4), (32, 8, 4, 5), (32, 8, 4, 7)]


def run(*, quick: bool) -> dict[str, list[Row]]:
    """All tables by their titles."""
    return {
        "Seating plans that must be reached": [required(shape) for shape in REQUIRED],
        "Rounds without a repeat, and how many are known": designs(),
        PAIRS: [compared(shape) for shape in COMPARED],
        "Any number of players: pairs of the counting bound, worst case": uneven(quick=quick),
        FORMATS: formats(events=100 if quick else 1_000),
        "Annealing: mean pairs by the temperature at the begin": heats(runs=2 if quick else 8),
        "Annealing: swaps tried per second": [
            speed(shape) for shape in ((20, 5, 4, 7), (32, 8, 4, 10), (90, 10, 9, 5))
        ],
    }


def required(shape: Shape) -> Row:
    """One line of the proof table."""
    seconds, schedule = timed(lambda: plan(*shape))
    return {
        "event": named(shape),
        "required": REQUIRED[shape],
        "pairs": pairs(schedule.rounds),
        "bound": schedule.upper_bound,
        "seconds": round(seconds, 2),
        "method": schedule.method,
    }


def designs() -> list[Row]:
    """Rounds without a repeat, `here` or `here/known` where more are known; rows are tables, columns seats."""
    rows: list[Row] = []
    for tables, known in BEST_KNOWN.items():
        row: Row = {"tables": tables}
        for seats in range(2, 11):
            best = known[seats - 2] if seats <= tables else 1
            here = len(longest_design(tables, seats).rounds)
            row[f"x{seats}"] = f"{here}" if here >= best else f"{here}/{best}"
        rows.append(row)
    return rows


def compared(shape: Shape) -> Row:
    """The plan against what people do by hand."""
    schedule = plan(*shape)
    return {
        "event": named(shape),
        "random": round(fmean(pairs(random_rounds(shape, seed=seed)) for seed in range(20))),
        "round by round": round(fmean(pairs(greedy_rounds(shape, seed=seed)) for seed in range(3))),
        "plan": pairs(schedule.rounds),
        "bound": schedule.upper_bound,
    }


def uneven(*, quick: bool) -> list[Row]:
    """The worst share of the counting bound over all numbers of players for the most rounds that are known."""
    rows: list[Row] = []
    for tables in (4, 7) if quick else (3, 4, 5, 6, 7, 8, 9, 10):
        for seats in {tables, min(4, tables)}:
            rounds = BEST_KNOWN[tables][seats - 2]
            full = tables * seats
            fewer = range(full - tables + 1, full)
            more = [n for n in (full + 1, full + tables // 2, full + tables) if n <= 100]
            rows.append(
                {
                    "event": f"{tables} x {seats}, {rounds} rounds",
                    "full tables": share((full, tables, seats, rounds)),
                    "fewer players": min(share((n, tables, seats, rounds)) for n in fewer),
                    "more players": min((share((n, tables, seats, rounds)) for n in more), default=1.0),
                }
            )
    return rows


def share(shape: Shape) -> float:
    """Different pairs of the plan, of what counting allows."""
    players, *_ = shape
    rounds = plan(*shape).rounds
    slots = sum(comb(len(table), 2) for tables in rounds for table in tables)
    return round(pairs(rounds) / min(comb(players, 2), slots), 3)


def formats(*, events: int) -> list[Row]:
    """How often the best player wins and how many people everybody else meets, for each format."""
    return [
        {
            "event": named(shape),
            "format": outcome.format.value,
            "best player wins": round(outcome.best_wins, 3),
            "extra rounds": round(outcome.extra_rounds, 3),
            "opponents": round(outcome.mean_opponents, 2),
            "fewest": round(outcome.fewest_opponents, 2),
            "at most": min(shape[0] - 1, shape[3] * (shape[2] - 1)),
        }
        for shape in EVENTS
        for outcome in simulate(shape[0], tables=shape[1], seats=shape[2], rounds=shape[3], events=events)
    ]


def heats(*, runs: int) -> list[Row]:
    """Mean pairs of short runs that begin at different temperatures, in unmet pairs."""
    rows: list[Row] = []
    for shape in ((10, 3, 4, 4), (24, 6, 4, 7), (36, 6, 6, 4), (90, 10, 9, 5)):
        row: Row = {"event": named(shape)}
        for heat in (0.3, 0.45, 0.6, 0.9):
            found = [annealed(shape, moves=100_000, heat=heat * UNMET, seed=seed) for seed in range(runs)]
            row[str(heat)] = round(fmean(map(pairs, found)), 1)
        rows.append(row)
    return rows


def speed(shape: Shape) -> Row:
    """Swaps per second here, and the fixed rate by which `seconds` become swaps."""
    seconds, _ = timed(lambda: annealed(shape, moves=500_000, heat=0.6 * UNMET, seed=0))
    return {"event": named(shape), "here": round(500_000 / seconds), "fixed rate": moves_in(1, seats=shape[2])}


def annealed(shape: Shape, *, moves: int, heat: float, seed: int) -> Rounds:
    """One run of annealing."""
    players, tables, _, rounds = shape
    room = Room(groups=[[range(tables)]] * rounds, pinned=[()] * rounds, history=Meetings.none(players, most=rounds))
    return anneal(random_rounds(shape, seed=seed), room=room, moves=moves, rng=dice(seed), heat=heat)[1]


def random_rounds(shape: Shape, *, seed: int) -> Rounds:
    """Everybody draws a table, in every round."""
    players, tables, seats, rounds = shape
    rng = random.Random(seed)
    drawn = [rng.sample(range(players), min(players, tables * seats)) for _ in range(rounds)]
    return [[order[table::tables] for table in range(tables)] for order in drawn]


def greedy_rounds(shape: Shape, *, seed: int) -> Rounds:
    """Each round is made the best that swaps find after the rounds before; earlier rounds are never touched."""
    players, *_ = shape
    met = [[0] * players for _ in range(players)]
    chosen = []
    for number in range(shape[3]):
        starts = [random_rounds(shape, seed=100 * seed + 10 * number + start)[0] for start in range(5)]
        best = min((climbed(tables, met) for tables in starts), key=lambda tables: repeats(tables, met))
        for table in best:
            for p, q in combinations(table, 2):
                met[p][q] = met[q][p] = met[p][q] + 1
        chosen.append(best)
    return chosen


def climbed(tables: list[list[int]], met: list[list[int]]) -> list[list[int]]:
    """Swap two players while that lowers the repeats of the round."""
    improved = True
    while improved:
        improved = False
        for here, there in combinations(tables, 2):
            for i in range(len(here)):
                for j in range(len(there)):
                    before = repeats([here, there], met)
                    here[i], there[j] = there[j], here[i]
                    if repeats([here, there], met) < before:
                        improved = True
                    else:
                        here[i], there[j] = there[j], here[i]
    return tables


def repeats(tables: list[list[int]], met: list[list[int]]) -> int:
    """Squares of how often the pairs of a round met before."""
    return sum(met[p][q] ** 2 for table in tables for p, q in combinations(table, 2))


def pairs(rounds: Rounds) -> int:
    """Different pairs that meet."""
    return len({frozenset(pair) for tables in rounds for table in tables for pair in combinations(table, 2)})


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds, and what came out."""
    started_s = time.process_time()
    result = work()
    return time.process_time() - started_s, result


def named(shape: Shape) -> str:
    """An event in words."""
    players, tables, seats, rounds = shape
    who = "" if players == tables * seats else f"{players} at "
    return f"{who}{tables} x {seats}, {rounds} rounds"


def print_table(title: str, rows: list[Row]) -> None:
    """One table with aligned columns."""
    print(f"\n{title}")
    cells = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer events and runs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--plots", metavar="FOLDER", type=Path, help="write the pictures of docs/tournament.md")
    options = parser.parse_args()
    tables = run(quick=options.quick)
    if options.plots:
        write_plots(tables, folder=options.plots)
    if options.json:
        print(json.dumps(tables))
        return
    for title, rows in tables.items():
        print_table(title, rows)


if __name__ == "__main__":
    main()
