"""How fast files are packed, how near the number of buckets is to the optimum, and the makespan to its bound.

Run `python bench/packing.py [--quick] [--json]`. Sizes are exponential, as in the reference workload; buckets hold
10 MB. Seconds are CPU seconds of one core, from a list of sizes to the finished plan.
"""

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from millstream.core.packing import STRATEGY_NAMES, pack

CAPACITY = 10_000_000
WORKERS = 10
FILES_PER_NIGHT = 100
FALKENAUER = Path(__file__).parents[1] / "tests" / "data" / "falkenauer.json"

Row = dict[str, str | int | float]


def run(*, quick: bool) -> dict[str, list[Row]]:
    """All tables: `speed`, `falkenauer` and `makespan`, each a list of rows with the same keys."""
    seeds = 5 if quick else 20
    return {
        "speed": speed(files=100_000 if quick else 1_000_000),
        "falkenauer": falkenauer(),
        "makespan": [makespan(mean_mb, seeds=seeds) for mean_mb in (0.5, 1, 2, 5)],
    }


def speed(*, files: int) -> list[Row]:
    """Files per second of each strategy, and of best fit where nearly every bucket stays open."""
    exponential = exponential_sizes(files, mean_mb=0.5, seed=1)
    rows = [timed(name, sizes=exponential, strategy=name) for name in STRATEGY_NAMES]
    rng = random.Random(1)
    halves = [rng.randint(CAPACITY // 2 + 1, CAPACITY * 6 // 10) for _ in range(files // 2)]
    rests = [rng.randint(CAPACITY // 10, CAPACITY * 4 // 10) for _ in range(files // 2)]
    return [*rows, timed("bf, all open", sizes=halves + rests, strategy="bf")]


def timed(label: str, *, sizes: list[int], strategy: str) -> Row:
    """Pack once and say how long it took and how many buckets it made."""
    workers = WORKERS if strategy in {"lpt", "auto"} else None
    started_s = time.process_time()
    packing = pack(sizes, capacity=CAPACITY, strategy=strategy, workers=workers)
    seconds = time.process_time() - started_s
    return {
        "strategy": label,
        "files": len(sizes),
        "seconds": round(seconds, 2),
        "files_per_s": round(len(sizes) / seconds),
        "buckets": len(packing.buckets),
        "lower_bound": packing.lower_bound,
    }


def falkenauer() -> list[Row]:
    """Buckets of FFD and BFD against the published optimum, summed over each family of instances."""
    families: dict[str, list[dict[str, int]]] = defaultdict(list)
    for instance in json.loads(FALKENAUER.read_text())["instances"]:
        found = {
            name: len(pack(instance["sizes"], capacity=instance["capacity"], strategy=name).buckets)
            for name in ("ffd", "bfd")
        }
        families[instance["name"].partition("_")[0]].append({"optimum": instance["optimum"], **found})
    return [
        {
            "family": family,
            "instances": len(rows),
            "optimum": sum(row["optimum"] for row in rows),
            "ffd": sum(row["ffd"] for row in rows),
            "bfd": sum(row["bfd"] for row in rows),
            "ffd_optimal": sum(row["ffd"] == row["optimum"] for row in rows),
        }
        for family, rows in families.items()
    ]


def makespan(mean_mb: float, *, seeds: int) -> Row:
    """Estimated makespan over its lower bound for 100 files on 10 workers, mean over seeds, and auto's worst."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        sizes = exponential_sizes(FILES_PER_NIGHT, mean_mb=mean_mb, seed=seed)
        for name in STRATEGY_NAMES:
            packing = pack(sizes, capacity=CAPACITY, strategy=name, workers=WORKERS)
            assert packing.est_makespan_s is not None
            assert packing.makespan_lower_bound_s is not None
            ratios[name].append(packing.est_makespan_s / packing.makespan_lower_bound_s)
    means = {name: round(fmean(values), 3) for name, values in ratios.items()}
    return {"mean_mb": mean_mb, **means, "auto_worst": round(max(ratios["auto"]), 3)}


def exponential_sizes(files: int, *, mean_mb: float, seed: int) -> list[int]:
    """Sizes in bytes, exponentially distributed."""
    rng = random.Random(seed)
    return [int(rng.expovariate(1 / (mean_mb * 1_000_000))) for _ in range(files)]


def print_table(title: str, rows: list[Row]) -> None:
    """One table with aligned columns."""
    print(f"\n{title}")
    cells = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer files and seeds")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    tables = run(quick=options.quick)
    if options.json:
        print(json.dumps(tables))
        return
    print_table("files packed per second", tables["speed"])
    print_table("buckets against the published optimum, sums", tables["falkenauer"])
    print_table("makespan / lower bound, 100 files on 10 workers", tables["makespan"])


if __name__ == "__main__":
    main()
