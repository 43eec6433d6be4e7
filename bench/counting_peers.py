"""Unique users of one file by several engines: frames/s, processor time, memory, and the same answer.

Every run is a process of its own, from its start to its last result on disk, and the engines take turns. Millstream
runs with each scanner that is installed; a process that only reads the file is the floor below all of them. DuckDB and
Polars get the two fields as a schema, reduce to the different users of each minute and count the larger windows from
those. simdjson is a program in C++ without any clock, lateness or rejects, compiled for this very machine, where a
compiler and the library's headers (Debian: libsimdjson-dev) are; it counts hashes, and validates less. Memory is the
peak of the proportional set size of a process with its children, looked at ten times a second.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

from millstream import simulate
from millstream.counting.frames.choosing import native_problem
from watching import Usage, run

Row = dict[str, str | int | float]
Answer = dict[tuple[str, int], int]

SPEED = "The same file by three engines, from start to last result on disk"
FLOOR = "only reading"
SIMDJSON = "simdjson, C++"
SIMDJSON_SOURCE = Path(__file__).parent / "counting_simdjson.cpp"
MEMORY = "Memory for many users (an hour of frames of 60 bytes, every user once)"

SIZES = ("minute", "hour", "day", "week", "month", "year")
USERS = 50_000
"""Fewer than a window holds exactly, so that answers can be compared."""
LARGE_OF = 7
"""A frame of 2 KB is so many of 290 bytes in one."""
READ_BYTES = 1 << 20
START_S = simulate.START_S // 3_600 * 3_600


def speed(*, quick: bool) -> list[Row]:
    """A row for each size of frames, engine and number of processors."""
    rounds = 1 if quick else 5
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        for label, frames, write in (
            ("290 bytes", 20_000 if quick else 6_000_000, write_small),
            ("2 KB", 4_000 if quick else 800_000, write_large),
        ):
            path = folder / "frames.jsonl"
            write(path, frames=frames)
            rows += _compare(path, label=label, frames=frames, rounds=rounds)
    return rows


def engines(folder: Path, *, machine: str = "native") -> "Mapping[str, Engine]":
    """Every engine that is there; what must be compiled is compiled into the folder, for this kind of machine."""
    compiler, program = shutil.which("g++"), folder / "counting-simdjson"
    options = ("-O3", f"-march={machine}", "-std=c++20", "-pthread")
    if compiler is not None:
        command = [compiler, *options, "-o", str(program), str(SIMDJSON_SOURCE), "-lsimdjson"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return {**ENGINES, SIMDJSON: partial(_compiled, program)}
    print(f"{SIMDJSON} is not measured: it needs g++ and the headers of simdjson", file=sys.stderr)
    return ENGINES


def _compiled(program: Path, path: Path, output: Path, *, cores: int) -> list[str]:
    return [str(program), str(path), str(output), str(cores)]


def _compare(path: Path, *, label: str, frames: int, rounds: int) -> list[Row]:
    size_mb = path.stat().st_size / 1e6
    there = engines(path.parent)
    used: dict[tuple[str, int], list[Usage]] = {(engine, cores): [] for cores in (1, 2) for engine in there}
    answers: dict[str, Answer] = {}
    for _ in range(rounds):
        for (engine, cores), usages in used.items():
            output = path.with_suffix(".output")
            usages.append(run(there[engine](path, output, cores=cores), environment=limits(cores)))
            if engine != FLOOR:
                answers[engine] = read_answer(output)
    assert all(answer == answers["duckdb"] for answer in answers.values()), "answers differ"
    rows: list[Row] = []
    for (engine, cores), usages in used.items():
        wall_s = median(usage.wall_s for usage in usages)
        peer_s = median(usage.wall_s for usage in used["duckdb", cores])
        rows.append(
            {
                "frames": label,
                "engine": engine,
                "processes or threads": cores,
                "frames/s": round(frames / wall_s),
                "MB/s": round(size_mb / wall_s),
                "of DuckDB": round(peer_s / wall_s, 2),
                "processor s": round(median(usage.cpu_s for usage in usages), 2),
                "frames per processor second": round(frames / median(usage.cpu_s for usage in usages)),
                "peak MB": round(max(usage.peak_mb for usage in usages)),
            }
        )
    return rows


def memory(*, quick: bool) -> list[Row]:
    """A row for each number of users and way to count them."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        path, output = Path(name) / "frames.jsonl", Path(name) / "output"
        for users in (50_000,) if quick else (1_000_000, 10_000_000):
            write_distinct(path, users=users)
            for label, command in (
                ("millstream", _millstream(path, output, cores=1)),
                ("millstream --exact", [*_millstream(path, output, cores=1), "--exact"]),
                ("duckdb", _peer("duckdb", path, output, cores=1)),
            ):
                usage = run(command, environment=limits(1))
                year = max(users for (by, _), users in read_answer(output).items() if by == "year")
                rows.append(
                    {
                        "users": users,
                        "engine": label,
                        "peak MB": round(usage.peak_mb),
                        "frames/s": round(users / usage.wall_s),
                        "users of the year, against the truth": f"{100 * (year - users) / users:+.2f} %",
                    }
                )
    return rows


# --- input ------------------------------------------------------------------------------------------------------------


def write_small(path: Path, *, frames: int) -> None:
    """Frames of about 290 bytes over some minutes, one in a hundred late."""
    lines = simulate.frames(count=frames, rate_per_s=1_000, users=USERS, late=0.01, flip=0, seed=5)
    with path.open("wb") as file:
        file.writelines(lines)


def write_large(path: Path, *, frames: int) -> None:
    """Frames of about 2 KB: nested ones first, and the fields that count at the end."""
    small = simulate.frames(count=frames, rate_per_s=1_000, users=USERS, late=0.01, flip=0, seed=6)
    others = list(islice(simulate.frames(count=999, rate_per_s=1, users=99, late=0, flip=0, seed=7), 999))
    with path.open("wb") as file:
        for number, line in enumerate(small):
            start = number * 5 % (len(others) - LARGE_OF)
            nested = b",".join(other.rstrip() for other in others[start : start + LARGE_OF - 1])
            file.write(b'{"more":[%s],%s' % (nested, line[1:]))


def write_distinct(path: Path, *, users: int) -> None:
    """An hour with one small frame of every user."""
    with path.open("wb") as file:
        for start in range(0, users, 10_000):
            numbers = range(start, min(start + 10_000, users))
            file.writelines(
                b'{"uid":"user-%022d","ts":%d}\n' % (number, START_S + number * 3_600 // users) for number in numbers
            )


# --- engines ----------------------------------------------------------------------------------------------------------


def _millstream(path: Path, output: Path, *, cores: int, scanner: str = "auto") -> list[str]:
    words = ["count", str(path), "--output", str(output), "--rejects", "off", "--workers", str(cores), "--quiet"]
    return [sys.executable, "-m", "millstream", *words, "--scanner", scanner]


def _peer(name: str, path: Path, output: Path, *, cores: int) -> list[str]:
    return [sys.executable, __file__, name, str(path), str(output), str(cores)]


SCANNERS = ("python", "native") if native_problem() is None else ("python",)
Engine = Callable[..., list[str]]
ENGINES: Mapping[str, Engine] = {
    **{f"millstream, {scanner} scanner": partial(_millstream, scanner=scanner) for scanner in SCANNERS},
    "duckdb": partial(_peer, "duckdb"),
    "polars": partial(_peer, "polars"),
    FLOOR: partial(_peer, FLOOR),
}


def only_read(path: Path, *, cores: int) -> Answer:
    """No answer: the file is read once, by so many threads, and nothing is done with it."""
    share = -(-path.stat().st_size // cores)

    def read(number: int) -> None:
        buffer = memoryview(bytearray(READ_BYTES))
        with path.open("rb", buffering=0) as file:
            file.seek(number * share)
            left = share
            while left > 0 and (length := file.readinto(buffer[: min(left, READ_BYTES)])):
                left -= length

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(read, range(cores)))
    return {}


def count_by_duckdb(path: Path, *, cores: int) -> Answer:
    """The answer of DuckDB."""
    import duckdb  # noqa: PLC0415 - only in the process that is measured

    database = duckdb.connect(config={"threads": cores})
    columns = "{'uid': 'VARCHAR', 'ts': 'BIGINT'}"
    database.execute(
        f"CREATE TEMP TABLE seen AS SELECT DISTINCT ts - ts % 60 AS minute, uid "  # noqa: S608 - no strangers here
        f"FROM read_json('{path}', format = 'newline_delimited', columns = {columns})"
    )
    answer: Answer = {}
    for by in SIZES:
        start = "minute" if by == "minute" else f"epoch(date_trunc('{by}', make_timestamp(minute * 1000000)))::BIGINT"
        rows = database.execute(f"SELECT {start}, count(DISTINCT uid) FROM seen GROUP BY 1").fetchall()  # noqa: S608
        answer |= {(by, at): users for at, users in rows}
    return answer


def count_by_polars(path: Path, *, cores: int) -> Answer:  # noqa: ARG001 - the environment limits it
    """The answer of Polars."""
    import polars as pl  # noqa: PLC0415 - only in the process that is measured

    lines = pl.scan_ndjson(path, schema={"uid": pl.String, "ts": pl.Int64})
    seen = lines.select(minute=pl.col("ts") // 60 * 60, uid="uid").unique().collect()
    at = pl.from_epoch("minute")
    answer: Answer = {}
    for by, every in zip(SIZES, ("1m", "1h", "1d", "1w", "1mo", "1y"), strict=True):
        start = at.dt.truncate(every).dt.epoch("s").alias("start")
        counted = seen.group_by(start).agg(pl.col("uid").n_unique().alias("users"))
        answer |= {(by, start): users for start, users in counted.iter_rows()}
    return answer


def read_answer(output: Path) -> Answer:
    """What an engine wrote: one JSON object for each window."""
    answer: Answer = {}
    with output.open("rb") as file:
        for line in file:
            record = json.loads(line)
            answer[record["by"], record["start"]] = record["users"]
    return answer


def main(words: Sequence[str]) -> None:
    """Count by a peer: NAME INPUT OUTPUT CORES."""
    name, path, output, cores = words
    count = {"duckdb": count_by_duckdb, "polars": count_by_polars, FLOOR: only_read}[name]
    answer = count(Path(path), cores=int(cores))
    lines = [json.dumps({"by": by, "start": at, "users": users}) + "\n" for (by, at), users in sorted(answer.items())]
    Path(output).write_text("".join(lines), encoding="utf-8")


# --- limits -----------------------------------------------------------------------------------------------------------


def limits(cores: int) -> dict[str, str]:
    """The environment of a run on so many processors."""
    environment = {**os.environ, "POLARS_MAX_THREADS": str(cores)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles a program anew for each run
    return environment


if __name__ == "__main__":
    main(sys.argv[1:])
