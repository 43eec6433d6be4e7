"""Records per second from a file to where they go, with what that takes of processors and memory.

Every run is `millstream ingest` or `millstream serve` as a person starts it, from its start to its last record, with
its start-up; every output is counted. Memory is the proportional set size of all its processes, in which pages that
they share count once. The input is 1.5 million rows of CSV, one in fifty with a newline inside of quotes.
"""

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import ingest_grown
import ingest_posts
import machine
from watching import Usage
from watching import run as run_watched

sys.path.append(str(Path(__file__).parents[1]))  # `dev` lies beside this folder

from dev import kafka, rabbitmq
from dev.places import ServerError

Row = dict[str, str | int | float]

VERSIONS = "What file ingestion was measured with"
SPEED = "A file of 1.5 million rows of CSV, one in fifty with a newline in quotes, to where its records go"
MEMORY = "Memory for a file of any size"
ROWS = 1_500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Somewhere to publish to; `address` makes a new place each time it is asked."""

    name: str
    address: Callable[[], str]
    options: tuple[str, ...] = ()


def run(*, quick: bool) -> dict[str, list[Row]]:
    """All tables of file ingestion."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="tmp") as name:
        folder = Path(name)
        tables: dict[str, list[Row]] = {VERSIONS: machine.versions_of_servers()}
        tables |= {SPEED: speed(folder, quick=quick), MEMORY: memory(folder, quick=quick)}
        tables |= ingest_posts.run(folder, quick=quick)
        return tables | ingest_grown.run(folder, quick=quick)


def speed(folder: Path, *, quick: bool) -> list[Row]:
    """A row for each place that records can go to, by one worker and by two."""
    rows, rounds = (30_000, 1) if quick else (ROWS, 3)
    path = folder / "rows.csv"
    write_rows(path, rows=rows)
    used: dict[tuple[str, int], list[Usage]] = {}
    with servers(folder) as targets:
        for number in range(rounds):
            for target in targets:
                for workers in (1, 2):
                    usage = _ingest(path, target, workers=workers, state=folder / f"{target.name}-{workers}-{number}")
                    used.setdefault((target.name, workers), []).append(usage)
    size_mb = path.stat().st_size / 1e6
    path.unlink()
    return [
        {
            "to": name,
            "workers": workers,
            "rows/s": round(rows / median(usage.wall_s for usage in usages)),
            "lowest": round(rows / max(usage.wall_s for usage in usages)),
            "highest": round(rows / min(usage.wall_s for usage in usages)),
            "MB/s": round(size_mb / median(usage.wall_s for usage in usages), 1),
            "processor s per million rows": round(1e6 * median(usage.cpu_s for usage in usages) / rows, 2),
            "peak MB (PSS)": round(max(usage.peak_mb for usage in usages)),
        }
        for (name, workers), usages in used.items()
    ]


def memory(folder: Path, *, quick: bool) -> list[Row]:
    """A row for each size of file."""
    rows: list[Row] = []
    for megabytes in (10,) if quick else (100, 1_000, 5_000):
        path, output = folder / "large.csv", folder / "large.jsonl"
        _write_large(path, size_bytes=megabytes * 1_000_000)
        command = [*_command(path), "--to", str(output), "--state", str(folder / f"state-{megabytes}")]
        with (folder / f"large-{megabytes}.json").open("wb") as file:
            usage = run_watched(command, environment=_environment(), output=file)
        seconds = usage.wall_s
        rows.append(
            {
                "file, MB": megabytes,
                "peak MB (PSS), all processes": round(usage.peak_mb),
                "MB/s": round(path.stat().st_size / 1e6 / seconds, 1),
            }
        )
        path.unlink()
        output.unlink()
    return rows


@contextmanager
def servers(folder: Path) -> Iterator[list[Target]]:
    """The places that are there: a folder always, a queue and a topic if their servers can be had."""
    numbers = iter(range(1_000_000))
    targets = [Target(name="JSONL file", address=lambda: str(folder / f"out-{next(numbers)}.jsonl"))]
    with ExitStack() as stack:
        try:
            queue = rabbitmq.start(folder)
            stack.callback(queue.kill)
            targets.append(
                Target(
                    name="RabbitMQ, quorum queue, confirms",
                    address=lambda: f"amqp://{queue.address}/rows-{next(numbers)}",
                )
            )
        except ServerError as error:
            print(f"RabbitMQ is not measured: {error}", file=sys.stderr)
        try:
            broker = kafka.start(folder)
            stack.callback(broker.kill)

            def topic() -> str:
                name = f"rows-{next(numbers)}"
                address = f"kafka://{broker.address}/{name}"
                command = [sys.executable, "-m", "millstream", "topics", "create", address, "--partitions", "4"]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                return address

            targets.append(Target(name="Kafka, a transaction per chunk", address=topic))
        except ServerError as error:
            print(f"Kafka is not measured: {error}", file=sys.stderr)
        yield targets


def _ingest(path: Path, target: Target, *, workers: int, state: Path) -> Usage:
    address = target.address()
    summary = state.with_suffix(".json")
    command = [*_command(path), "--to", address, "--workers", str(workers), "--state", str(state), *target.options]
    with summary.open("wb") as file:
        usage = run_watched(command, environment=_environment(), output=file)
    found = json.loads(summary.read_text(encoding="utf-8"))
    assert found["status"] == "succeeded", found
    output = Path(address)
    if target.name == "JSONL file":
        with output.open("rb") as file:
            assert sum(1 for _ in file) == found["records_published"], "records are missing"
        output.unlink()
    return usage


def _command(path: Path) -> list[str]:
    return [sys.executable, "-m", "millstream", "ingest", str(path), "--json", "--quiet"]


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles a program anew for each run
    return environment


def write_rows(path: Path, *, rows: int) -> None:
    """Rows of five columns, of about 65 bytes."""
    draw = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "note", "amount", "share"])
        for number in range(rows):
            note = 'two\nlines, "quoted"' if number % 50 == 0 else "a plain text"
            writer.writerow([number, f"name {number}", note, draw.randrange(1_000_000), f"{draw.random():.12f}"])


def _write_large(path: Path, *, size_bytes: int) -> None:
    """The same rows again and again; of 2 KB each, so that a large file does not take an hour."""
    filler = "x" * 2_000
    piece = "".join(f'{number},"two\nlines",{filler}\n' for number in range(5_000)).encode()
    with path.open("wb") as file:
        file.write(b"id,note,filler\n")
        for _ in range(max(1, size_bytes // len(piece))):
            file.write(piece)


if __name__ == "__main__":
    began = time.perf_counter()
    for title, table in run(quick="--quick" in sys.argv).items():
        print(title, *table, sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")
