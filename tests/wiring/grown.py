"""A grown service for tests: a server in this process, workers as real processes, and what they share."""

import asyncio
import csv
import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from millstream.config.working import Working, read_working
from millstream.core.ingestion import FileSpec, IngestionRow, ReadIngestion
from millstream.core.splitting import Dialect, Format
from millstream.errors import LedgerUnreachableError
from millstream.wiring.grown_ingest import GrownIngest
from servers.postgres import Postgres

PATIENCE_S = 90.0
DISPATCHERS = ("rabbitmq", "temporal")


def new_database(postgres: Postgres) -> str:
    """The address of a database that nobody else has."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return f"{postgres.url.rpartition('/')[0]}/{name}"


def rows(number: int, *, seed: int = 1) -> list[dict[str, str]]:
    """Rows of a CSV file, some with newlines and quotes in them."""
    draw = random.Random(seed)
    odd = ["plain", 'with "quotes"', "two\nlines", "com,ma", ""]
    return [{"n": str(n), "word": draw.choice(odd), "more": "x" * draw.randrange(60)} for n in range(number)]


class Site:
    """A folder with a configuration, a container and an output."""

    def __init__(self, folder: Path, *, ledger: str, dispatch: dict[str, str], workers: int = 2) -> None:
        self.folder = folder
        self.data, self.out = folder / "data", folder / "out"
        self.data.mkdir()
        self.config = folder / "mill.toml"
        words = {"state": str(folder / "state"), "ledger": ledger, "lease": "3s", "prefix": f"t{uuid.uuid4().hex[:8]}"}
        top = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (words | dispatch).items())
        self.config.write_text(
            f"{top}\n[serve]\nto = {json.dumps(str(self.out))}\nworkers = {workers}\nprocesses = 1\n"
            f"[[container]]\nname = 'test'\naddress = {json.dumps(str(self.data))}\n"
        )
        self.log = folder / "workers.log"

    def write(self, name: str, content: Sequence[dict[str, str]]) -> int:
        """Write a CSV file; returns its size."""
        with (self.data / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(content[0]))
            writer.writeheader()
            writer.writerows(content)
        return (self.data / name).stat().st_size

    def working(self) -> Working:
        """What the configuration says."""
        return read_working(self.config, values={}, engine={}, environment={})

    def start_worker(self) -> "Worker":
        """Start a worker, and wait until it is ready."""
        command = [sys.executable, "-m", "millstream", "worker", "--config", str(self.config), "--json"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        return Worker(process)

    def published(self, message_id: str) -> list[dict[str, Any]]:
        """The records in the file of an ingestion."""
        text = (self.out / f"{message_id}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def check(self, message_id: str, content: Sequence[dict[str, str]]) -> None:
        """Every record of the file is there once, in order, with its id."""
        expected = [{"_id": f"{message_id}:{n}", **row} for n, row in enumerate(content)]
        assert [{**each} for each in self.published(message_id)] == expected


def site_of(request: pytest.FixtureRequest, *, folder: Path) -> Site:
    """A site whose fixture is called with one of DISPATCHERS, with a database of its own."""
    dispatch = {"dispatcher": request.param}
    if request.param == "rabbitmq":
        dispatch["broker"] = f"amqp://{request.getfixturevalue('rabbitmq').address}"
    else:
        dispatch["temporal"] = request.getfixturevalue("temporal").address
    return Site(folder, ledger=new_database(request.getfixturevalue("postgres")), dispatch=dispatch)


class Worker:
    """A worker process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the worker ended before it was ready"
        self.told: dict[str, Any] = json.loads(line)

    def send(self, number: signal.Signals, *, with_hosts: bool = False) -> None:
        """Send a signal to the worker, or to everything it started as well."""
        with suppress(ProcessLookupError):
            (os.killpg if with_hosts else os.kill)(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL for the worker; what it started notices."""
        self.send(signal.SIGKILL)
        self.process.wait(30)

    def end(self) -> int:
        """SIGTERM; returns its exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def workers(site: Site, *, number: int) -> Iterator[list[Worker]]:
    """Some workers, which may be killed or replaced; whatever is left is killed at the end."""
    started: list[Worker] = []
    try:
        started.extend(site.start_worker() for _ in range(number))
        yield started
    finally:
        for worker in started:
            worker.send(signal.SIGKILL, with_hosts=True)
            worker.process.wait(30)
            assert worker.process.stdout is not None
            worker.process.stdout.close()


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[GrownIngest]:
    """The serving side, started."""
    working = site.working()
    with GrownIngest(working.serving, working.dispatch) as ingest:
        await ingest.start()
        try:
            yield ingest
        finally:
            await ingest.stop()


def spec(site: Site, name: str, *, message_id: str, chunk_bytes: int = 20_000) -> FileSpec:
    """What is asked for."""
    return FileSpec(
        message_id=message_id,
        container="test",
        name=name,
        sink=str(site.out),
        dialect=Dialect(format=Format.CSV),
        chunk_bytes=chunk_bytes,
    )


async def until(ingest: GrownIngest, message_id: str, condition: Callable[[IngestionRow], bool]) -> IngestionRow:
    """Wait until an ingestion is so; while the ledger is away nobody knows."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(LedgerUnreachableError):
                row = await ingest.ledger.read(ReadIngestion(message_id=message_id))
                if row is not None and condition(row):
                    return row
            await asyncio.sleep(0.05)
