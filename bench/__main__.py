"""`make bench`: every figure of the docs, with the hardware and versions it was measured on.

Prints tables and puts them into docs/benchmarks.md; `--quick` runs small versions and writes nothing, `--only PART`
measures one part.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import counting
import counting_kafka
import ingest
import ledger
import machine
import packing
import stream
import tournament
from report import Table, markdown, spread

PACKING = {
    "speed": "Files packed, from a list of sizes to a finished plan",
    "falkenauer": "Buckets against the published optimum, sums over Falkenauer's instances",
    "makespan": "Makespan divided by its lower bound, 100 files on 10 workers, mean over nights (worst: of auto)",
}
PAGE = Path("docs/benchmarks.md")
PREFACE = """\
# Benchmarks

Written by `make bench`; every figure in these docs comes from here. Figures of one table were measured in one run, one
after the other, on the machine below; machines are shared and noisy, so read medians and ratios, and run it on yours.
"""


def main() -> None:
    """Measure, print, write; the page is written after each part, so what was measured stays when a run is ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small versions, a few minutes in all; nothing is written")
    parser.add_argument("--only", action="append", choices=MEASURES, help="measure this part; others stay in the page")
    args = parser.parse_args()
    for name in args.only or MEASURES:
        tables = [markdown(table) for table in MEASURES[name](quick=args.quick)]
        print("\n" + "\n\n".join(tables), flush=True)
        if not args.quick:
            _put(tables)
            print(f"\nwritten to {PAGE}", flush=True)


def _put(tables: Sequence[str]) -> None:
    """Put tables into the page: each in the place of the one with its title, or behind all others."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    sections = {_title(section): section.strip() for section in re.split(r"^(?=### )", page, flags=re.MULTILINE)[1:]}
    sections |= {_title(table): table for table in (markdown(_machine_table()), *tables)}
    PAGE.write_text("\n\n".join((PREFACE, *sections.values())) + "\n", encoding="utf-8")


def _title(section: str) -> str:
    return section.partition("\n")[0]


def _machine_table() -> Table:
    return "Machine", ("what", "which"), [(what, which) for what, which in machine.describe().items()]


def _stream_tables(*, quick: bool) -> Sequence[Table]:
    result: dict[str, Any] = stream.run(quick=quick)
    copies, plain, keyed = result["copy_records_per_s"], result["plain"], result["keyed"]

    def row(name: str, runs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
        rates = [run["records_per_s"] for run in runs]
        ratios = [rate / copy for rate, copy in zip(rates, copies, strict=True)]
        memory = max(run["max_rss_mb"] for run in runs)
        return name, spread(rates), spread(ratios, digits=2), f"{memory:.0f}"

    title = f"Durable records through a window ({result['records']:,} records of 300 bytes from standard input)"
    rows = [
        ("plain copy with fsync", spread(copies), "1", "-"),
        row("window 1s", plain),
        row(f"window 1h, {stream.KEYS:,} keys", keyed),
    ]
    throughput: Table = title, ("what", "records/s: median (lowest to highest)", "of the copy", "peak RSS, MB"), rows
    late: Table = (
        "How late minibatches close, window 200ms, under load",
        ("handlers", "closed by time", "records/s meanwhile", "99 % within, ms"),
        [
            (name, str(run["closed_by"].get("time", 0)), f"{run['records_per_s']:,.0f}", f"{p99 * 1e3:.1f}")
            for name, run in (("none", result["idle"]), ("10 threads that burn CPU", result["burning"]))
            for p99 in [run["close_lateness_p99_s"]]
        ],
    )
    return throughput, late


def _ledger_tables(*, quick: bool) -> Sequence[Table]:
    result: dict[str, Any] = ledger.run(quick=quick)
    rows = [("open, close, claim, done; 500 callers", spread(result["batches_per_s"]))]
    head = ("what", "batches/s: median (lowest to highest)")
    return [("Lives of batches through the ledger, with fsync", head, rows)]


def _packing_tables(*, quick: bool) -> Sequence[Table]:
    return [_as_table(PACKING[name], rows) for name, rows in packing.run(quick=quick).items()]


def _tournament_tables(*, quick: bool) -> Sequence[Table]:
    return [_as_table(title, rows) for title, rows in tournament.run(quick=quick).items()]


def _counting_tables(*, quick: bool) -> Sequence[Table]:
    return [_as_table(title, rows) for title, rows in counting.run(quick=quick).items()]


def _kafka_tables(*, quick: bool) -> Sequence[Table]:
    return [_as_table(title, rows) for title, rows in counting_kafka.run(quick=quick).items()]


def _ingest_tables(*, quick: bool) -> Sequence[Table]:
    return [_as_table(title, rows) for title, rows in ingest.run(quick=quick).items()]


def _as_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    head = tuple(rows[0]) if rows else ()
    return title, head, [[_shown(value) for value in row.values()] for row in rows]


def _shown(value: object) -> str:
    return (
        f"{value:,.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:,.0f}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )


MEASURES: Mapping[str, Callable[..., Sequence[Table]]] = {
    "stream": _stream_tables,
    "ledger": _ledger_tables,
    "packing": _packing_tables,
    "tournament": _tournament_tables,
    "counting": _counting_tables,
    "kafka": _kafka_tables,
    "ingest": _ingest_tables,
}


if __name__ == "__main__":
    main()
