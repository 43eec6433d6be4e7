"""An engine and its workers while the database of their ledger is away."""

import time
from pathlib import Path

import pytest

from crash.killing import wait_until
from crash.test_elsewhere import following, new_database
from crash.test_kill import numbered
from millstream.core.exits import Exit
from servers.postgres import OwnPostgres
from servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.slow

RECORDS = [record + b"\n" for record in numbered(60)]


@pytest.mark.parametrize(
    "away_s",
    [3, pytest.param(75, marks=[pytest.mark.soak, pytest.mark.timeout(300)], id="longer than calls wait")],
)
def test_a_database_that_is_away_is_waited_for(
    tmp_path: Path, own_postgres: OwnPostgres, rabbitmq: RabbitMQ, away_s: float
) -> None:
    """However long that takes, both go on by themselves, and every record is worked once."""
    site = following(tmp_path / "site", database=new_database(own_postgres), rabbitmq=rabbitmq)
    source = site.folder / "input"
    source.write_bytes(b"".join(RECORDS[:20]))
    with (
        site.running("worker", "--config", "mill.toml") as worker,
        site.running("run", "mill.toml", "--state", ".engine") as engine,
    ):
        wait_until(lambda: len(site.records_worked()) == 20, what="the first records")
        own_postgres.kill()
        with source.open("ab") as file:
            file.write(b"".join(RECORDS[20:40]))
        time.sleep(away_s)
        assert (engine.poll(), worker.poll()) == (None, None), site.said()
        own_postgres.start()
        with source.open("ab") as file:
            file.write(b"".join(RECORDS[40:]))
        wait_until(lambda: len(site.records_worked()) == len(RECORDS), what="the rest", timeout_s=60)

    assert engine.returncode in {Exit.DONE, Exit.KEPT}  # the ledger may not have heard of the last end
    assert worker.returncode == Exit.DONE
    assert sorted(site.records_worked()) == sorted(numbered(60))
    said = site.said()
    assert said.count("; trying again") <= 8, said
    assert "is there again after " in said
    assert "Traceback" not in said
