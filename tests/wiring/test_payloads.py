"""The store that records of streams go through, when it is not where it should be."""

import json
import shutil
from pathlib import Path

import pytest

from crash.killing import wait_until
from crash.test_elsewhere import Site, following, new_database, query
from crash.test_kill import numbered
from servers.postgres import Postgres
from servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.slow

ERROR = "SELECT error FROM millstream.batch WHERE pipeline = 'clicks' AND error IS NOT NULL"


@pytest.fixture
def database(postgres: Postgres) -> str:
    """A database that nobody else has."""
    return new_database(postgres)


@pytest.fixture
def site(tmp_path: Path, database: str, rabbitmq: RabbitMQ) -> Site:
    """An engine that follows a file until it is stopped, and workers; `worker.toml` has another folder for payloads."""
    site = following(tmp_path / "site", database=database, rabbitmq=rabbitmq)
    settings = (site.folder / "mill.toml").read_text()
    (site.folder / "worker.toml").write_text(settings.replace("site/payloads", "site/elsewhere"))
    (site.folder / "input").write_bytes(b"".join(record + b"\n" for record in numbered(20)))
    return site


def explained(site: Site, batch_id: str) -> list[str]:
    """The sentences of `millstream explain`."""
    process = site.start("explain", batch_id, "--config", "mill.toml", "--json")
    output, _ = process.communicate(timeout=60)
    return json.loads(output)["because"]


def test_a_worker_without_the_folder_of_payloads_says_so(site: Site, database: str) -> None:
    """The worker tells it, the batch has it as its reason, and both go on once the folder is there."""
    missing = site.folder / "elsewhere"
    with (
        site.running("worker", "--config", "worker.toml"),
        site.running("run", "mill.toml", "--state", ".engine"),
    ):
        wait_until(lambda: str(missing) in site.said(), what="the worker to tell")
        wait_until(lambda: bool(query(database, ERROR)), what="the reason of a batch")
        ((error,), *_) = query(database, ERROR)
        shutil.copytree(site.folder / "payloads", missing)
        wait_until(lambda: len(site.records_worked()) == 20, what="the records")

    assert str(missing) in str(error)
    assert f"attempt 1 failed and is retried: store: {missing} cannot be reached" in site.said()


def test_an_engine_without_the_folder_of_payloads_says_so(site: Site) -> None:
    """It tells once what is waited for, and goes on once the folder is there."""
    missing = site.folder / "payloads"
    missing.rmdir()
    with (
        site.running("worker", "--config", "mill.toml"),
        site.running("run", "mill.toml", "--state", ".engine"),
    ):
        wait_until(lambda: f"clicks: store: {missing} cannot be reached" in site.said(), what="the engine to tell")
        because = explained(site, "clicks-00000001")
        missing.mkdir()
        wait_until(lambda: len(site.records_worked()) == 20, what="the records")

    assert because[-1].startswith("held back: its engine cannot tell workers of it since ")
    assert str(missing) in because[-1]
    said = site.said()
    assert said.count("what is ready waits for it") == 1
    assert "draining: open minibatches are kept" in said  # the engine's words
    assert "draining: nothing more is taken" in said  # the worker's
