"""The same jobs through every dispatcher: how fast, what it takes, and what a chunk costs beside its work.

The services run side by side, idle but for their turn, and take turns round by round, so that what the machine does
meanwhile meets them all. Each gets its jobs at once and works them with the same number of workers: the embedded
service by itself, the others by one worker process, with their ledger in PostgreSQL. A turn lasts from the first
POST until the file of the last job is there under its name; start-up was before, and so was a small job that warms up.

What a chunk costs is measured with small ones, of which the same jobs have forty times as many: the time of a turn
beyond that of the embedded service in the same round, by its chunks. Chunks are worked several at once, so this is
what each takes from the throughput, and not how long one takes.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import ingest_sites
from ingest_sites import Site
from watching import Peaks, load, taken_s

sys.path.append(str(Path(__file__).parents[1]))  # `dev` lies beside this folder

from dev.places import ServerError

Row = dict[str, str | int | float]

GROWN = "Four jobs of 1.5 million rows at once through each dispatcher, in chunks of 4 MB, to JSONL"
ALONE = "A job of 12 million rows alone: the same"
CHUNKS = "What a chunk costs: the same in chunks of 100 KB"
WORKERS = 4
FILE = "rows.csv"
SMALL = "small.csv"
LONG = "long.csv"
LARGE_BYTES, SMALL_BYTES = 4_000_000, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn of a service took: time, seconds of processors by part, memory, chunks."""

    wall_s: float
    service_s: float
    worker_s: float
    servers_s: float
    service_mb: float
    worker_mb: float
    chunks: int
    records: int

    @property
    def own_s(self) -> float:
        """Of the service and its worker."""
        return self.service_s + self.worker_s


def run(folder: Path, *, quick: bool) -> dict[str, list[Row]]:
    """All tables; none when a server cannot be had."""
    from ingest import ROWS, write_rows  # noqa: PLC0415 - which imports this one

    data = folder / "data"
    data.mkdir()
    write_rows(data / FILE, rows=30_000 if quick else ROWS)
    write_rows(data / SMALL, rows=1_000)
    write_rows(data / LONG, rows=60_000 if quick else 8 * ROWS)
    try:
        with ingest_sites.sites(folder, data=data, workers=WORKERS) as sites:
            for site in sites:
                _turn(site, SMALL, jobs=1, chunk=LARGE_BYTES)
            rounds = 1 if quick else 5
            large = _rounds(sites, FILE, rounds=rounds, jobs=2 if quick else 4, chunk=LARGE_BYTES)
            alone = _rounds(sites, LONG, rounds=rounds, jobs=1, chunk=LARGE_BYTES)
            small = _rounds(sites, FILE, rounds=1 if quick else 3, jobs=1 if quick else 2, chunk=SMALL_BYTES)
    except ServerError as error:
        print(f"dispatchers are not measured: {error}", file=sys.stderr)
        return {}
    return {GROWN: _throughput(large), ALONE: _throughput(alone), CHUNKS: _overhead(small)}


def _rounds(sites: Sequence[Site], name: str, *, rounds: int, jobs: int, chunk: int) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {site.name: [] for site in sites}
    for _ in range(rounds):
        for site in sites:
            turns[site.name].append(_turn(site, name, jobs=jobs, chunk=chunk))
    return turns


def _turn(site: Site, name: str, *, jobs: int, chunk: int) -> Turn:
    before = _taken(site)
    with Peaks(site.own) as peaks:
        began = time.perf_counter()
        ended = site.wait([site.send(name, chunk=chunk) for _ in range(jobs)])
        wall_s = time.perf_counter() - began  # with a question for each job, some milliseconds
    service_s, worker_s, servers_s = (now - then for now, then in zip(_taken(site), before, strict=True))
    turn = Turn(
        wall_s=wall_s,
        service_s=service_s,
        worker_s=worker_s,
        servers_s=servers_s,
        service_mb=peaks.mb[site.service],
        worker_mb=peaks.mb.get(site.worker or 0, 0.0),
        chunks=sum(job["chunks"]["done"] for job in ended.values()),
        records=sum(job["records_published"] for job in ended.values()),
    )
    for message_id, job in ended.items():
        with site.file_of(message_id).open("rb") as file:
            assert sum(1 for _ in file) == job["records_published"], "records are missing"
    ingest_sites.clear(site)
    return turn


def _taken(site: Site) -> tuple[float, float, float]:
    """Processor seconds so far: of the service, of its worker, of the servers that it uses."""
    workers = () if site.worker is None else (site.worker,)
    return taken_s((site.service,)), taken_s(workers), taken_s(site.servers)


def _throughput(turns: dict[str, list[Turn]]) -> list[Row]:
    """A row for each service; ratios are of the turns of one round."""
    embedded = turns["embedded"]
    return [
        {
            "dispatcher": name,
            "rows/s": round(median(turn.records / turn.wall_s for turn in mine)),
            "lowest": round(min(turn.records / turn.wall_s for turn in mine)),
            "highest": round(max(turn.records / turn.wall_s for turn in mine)),
            "of embedded": round(
                median(base.wall_s / turn.wall_s for base, turn in zip(embedded, mine, strict=True)), 2
            ),
            "processor s per million rows: service": _per_million(mine, "service_s"),
            "worker": _per_million(mine, "worker_s") if name != "embedded" else "-",
            "servers": _per_million(mine, "servers_s") if name != "embedded" else "-",
            "peak MB (PSS): service": round(max(turn.service_mb for turn in mine)),
            "of the worker": round(max(turn.worker_mb for turn in mine)) or "-",
            "load": load(),
        }
        for name, mine in turns.items()
    ]


def _per_million(turns: Sequence[Turn], what: str) -> float:
    taken: list[float] = [getattr(turn, what) / turn.records for turn in turns]
    return round(1e6 * median(taken), 2)


def _overhead(turns: dict[str, list[Turn]]) -> list[Row]:
    embedded = turns["embedded"]
    rows: list[Row] = []
    for name, mine in turns.items():
        pairs = list(zip(embedded, mine, strict=True))
        rows.append(
            {
                "dispatcher": name,
                "chunks": mine[0].chunks,
                "chunks/s": round(median(turn.chunks / turn.wall_s for turn in mine)),
                "ms more than embedded, per chunk": _ms(pairs, lambda turn: turn.wall_s),
                "processor ms more, per chunk": _ms(pairs, lambda turn: turn.own_s),
                "of servers": _ms(pairs, lambda turn: turn.servers_s),
            }
        )
    return rows


def _ms(pairs: Sequence[tuple[Turn, Turn]], what: Callable[[Turn], float]) -> float:
    """The median of what a turn had more than the one of the embedded service, by its chunks."""
    return round(median(1e3 * (what(turn) - what(base)) / turn.chunks for base, turn in pairs), 2)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="tmp") as place:
        for title, table in run(Path(place), quick="--quick" in sys.argv).items():
            print(title, *table, sep="\n")
