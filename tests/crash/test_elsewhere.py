"""Streams and files whose batches are worked by processes as on other machines, some of which are killed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from crash.killing import HANDLER, Process, wait_until
from crash.test_kill import numbered
from millstream.adapters.store import open_store
from millstream.simulate import write_files
from servers.kafka import Kafka
from servers.postgres import Postgres
from servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.slow

RECORDS = 2000


class Site:
    """A folder that stands for the disks that all machines share, with a file of settings."""

    def __init__(self, folder: Path, *, settings: str, environment: dict[str, str]) -> None:
        self.folder = folder
        (folder / "out").mkdir(parents=True)
        (folder / "payloads").mkdir()
        (folder / "crash_handler.py").write_text(HANDLER.replace("PAUSE_S", "0.05"))
        (folder / "mill.toml").write_text(settings)
        self._environment = {**os.environ, **environment}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `millstream WORDS` here."""
        with (self.folder / "stderr").open("ab") as stderr:
            return Process(
                [sys.executable, "-m", "millstream", *words],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """The same, until it is stopped at the end."""
        with self.start(*words) as process:
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)

    def said(self) -> str:
        """What all processes had to say."""
        return (self.folder / "stderr").read_text()

    def records_worked(self) -> list[bytes]:
        """All records in all outputs."""
        paths = [path for path in (self.folder / "out").iterdir() if not path.name.startswith(".")]
        return [line for path in paths for line in path.read_bytes().splitlines()]

    def payloads(self) -> list[str]:
        """What is left in the store."""
        return [each.name for each in open_store(str(self.folder / "payloads")).list()]


def new_database(postgres: Postgres) -> str:
    """A database that nobody else has."""
    name = postgres.name()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.url.removesuffix("postgres") + name


@pytest.fixture(params=["rabbitmq", "temporal"])
def top(request: pytest.FixtureRequest, postgres: Postgres) -> tuple[str, dict[str, str], str]:
    """Both ways: the top of the settings, the environment, and the address of the ledger."""
    database = new_database(postgres)
    environment = {"MILLSTREAM_LEDGER": database}
    common = f'prefix = "t{os.urandom(4).hex()}"\nlease = "3s"\n'
    if request.param == "rabbitmq":
        rabbitmq = request.getfixturevalue("rabbitmq")
        return f'dispatcher = "rabbitmq"\n{common}', {**environment, "MILLSTREAM_BROKER": rabbitmq.url}, database
    temporal = request.getfixturevalue("temporal")
    where = f'temporal = "{temporal.address}"\nnamespace = "{temporal.namespace}"\n'
    return f'dispatcher = "temporal"\n{common}{where}', environment, database


def following(folder: Path, *, database: str, rabbitmq: RabbitMQ) -> Site:
    """A site whose stream `clicks` follows the file `input` until it is stopped, over RabbitMQ."""
    settings = f"""dispatcher = "rabbitmq"
prefix = "t{os.urandom(4).hex()}"
lease = "3s"
payloads = "{folder}/payloads"
[[stream]]
name = "clicks"
source = "input"
follow = true
window = "200ms"
max_count = 10
handler = "crash_handler:load"
"""
    return Site(
        folder, settings=settings, environment={"MILLSTREAM_LEDGER": database, "MILLSTREAM_BROKER": rabbitmq.url}
    )


def query(database: str, sql: str) -> Sequence[tuple[object, ...]]:
    """Ask the database directly."""
    with psycopg.connect(database) as connection:
        return connection.execute(sql).fetchall()


def unfinished(database: str) -> int:
    """How many batches are not done."""
    try:
        rows = query(database, "SELECT COUNT(*) FROM millstream.batch WHERE state <> 'done'")
    except psycopg.errors.UndefinedTable:
        return -1
    return int(str(rows[0][0]))


def check_once(database: str) -> None:
    """No batch completed twice."""
    done = Counter(row[0] for row in query(database, "SELECT batch_id FROM millstream.attempt WHERE outcome = 'done'"))
    assert set(done.values()) == {1}


def test_a_stream_is_worked_by_workers_elsewhere(
    tmp_path: Path, kafka: Kafka, top: tuple[str, dict[str, str], str]
) -> None:
    """Engine and a worker are killed in the middle: every record is worked, no batch completes twice, no copy stays."""
    settings, environment, database = top
    topic = kafka.topic(2)
    settings += f"""
payloads = "{tmp_path}/site/payloads"
[[stream]]
name = "clicks"
source = "{kafka.url(topic)}"
window = "300ms"
max_count = 50
handler = "crash_handler:load"
workers = 3
"""
    site, records = Site(tmp_path / "site", settings=settings, environment=environment), numbered(RECORDS)
    kafka.send(topic, records[:1000])
    with site.start("worker", "--config", "mill.toml") as victim, site.running("worker", "--config", "mill.toml"):
        with site.start("run", "mill.toml") as engine:
            wait_until(lambda: len(site.records_worked()) > 200, what="some records", timeout_s=60)
            victim.kill()
            engine.kill()
            engine.communicate(timeout=30)
        victim.communicate(timeout=30)
        kafka.send(topic, records[1000:], partition=1)
        with site.running("run", "mill.toml") as engine:
            wait_until(lambda: set(site.records_worked()) == set(records), what="all records", timeout_s=60)
            wait_until(lambda: unfinished(database) == 0, what="the end")
    with site.running("run", "mill.toml"):
        wait_until(lambda: site.payloads() == [], what="what the killed worker left to be cleaned up")

    assert Counter(site.records_worked()) == Counter(records)
    check_once(database)
    assert "Traceback" not in site.said()


def test_files_are_worked_by_workers_elsewhere(tmp_path: Path, top: tuple[str, dict[str, str], str]) -> None:
    """One of two workers is killed: every file is copied whole, and the engine ends by itself with a summary."""
    settings, environment, database = top
    settings += f"""
[[files]]
name = "nightly"
paths = ["{tmp_path}/site/incoming"]
shared = true
capacity = "100KB"
settle = "0s"
copy_to = "copies"
workers = 2
"""
    site = Site(tmp_path / "site", settings=settings, environment=environment)
    files = write_files(tmp_path / "site" / "incoming", count=40, mean_bytes=30_000, seed=1)
    with site.start("worker", "--config", "mill.toml") as victim, site.running("worker", "--config", "mill.toml"):
        with site.start("run", "--json", "mill.toml") as engine:
            wait_until((site.folder / "copies").exists, what="some copies", timeout_s=60)
            victim.kill()
            output, _ = engine.communicate(timeout=90)
        victim.communicate(timeout=30)

    assert engine.returncode == 0, site.said()
    assert unfinished(database) == 0
    check_once(database)
    assert json.loads(output)["files_processed"] == len(files)
    for path in files:
        assert (site.folder / "copies" / path.name).read_bytes() == path.read_bytes()
    assert "Traceback" not in site.said()


def test_a_stream_of_another_state_folder_is_refused(
    tmp_path: Path, kafka: Kafka, postgres: Postgres, rabbitmq: RabbitMQ
) -> None:
    """Its records lie in that folder alone."""
    topic, database = kafka.topic(), new_database(postgres)
    settings = f"""
dispatcher = "rabbitmq"
payloads = "{tmp_path}"
[[stream]]
name = "clicks"
source = "{kafka.url(topic)}"
"""
    environment = {"MILLSTREAM_LEDGER": database, "MILLSTREAM_BROKER": rabbitmq.url}
    one, two = (Site(tmp_path / name, settings=settings, environment=environment) for name in ("one", "two"))
    with one.running("run", "mill.toml"):
        wait_until(lambda: unfinished(database) == 0, what="the start")
        wait_until(
            lambda: bool(query(database, "SELECT 1 FROM millstream.meta WHERE key LIKE 'space%'")), what="the space"
        )
    with two.start("run", "mill.toml") as process:
        process.communicate(timeout=30)

    assert process.returncode == 2
    assert "clicks: state: expected the folder in which this stream of the ledger was begun" in two.said()
    assert "Traceback" not in two.said()
