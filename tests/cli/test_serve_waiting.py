"""`millstream serve` while the database of its ledger is away from the start."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from servers.postgres import OwnPostgres
from servers.rabbitmq import RabbitMQ
from wiring.grown import Site, new_database, rows, workers

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def _serving(site: Site, *, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "millstream", "serve", "--config", str(site.config)]
    with site.log.open("ab") as log:
        server = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def _until(ask: Callable[[], Any], condition: Callable[[Any], bool]) -> Any:
    """Ask until the answer is so; nobody may listen yet."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = ask()
            if condition(answer):
                return answer
        except httpx.TransportError:
            answer = None
        assert time.monotonic() < until_s, answer
        time.sleep(0.05)


@pytest.fixture
def site(own_postgres: OwnPostgres, rabbitmq: RabbitMQ, tmp_path: Path) -> Site:
    """A service whose database can be taken away."""
    dispatch = {"dispatcher": "rabbitmq", "broker": f"amqp://{rabbitmq.address}"}
    return Site(tmp_path, ledger=new_database(own_postgres), dispatch=dispatch)


def test_a_service_without_its_database_says_so_and_goes_on_when_it_comes(
    site: Site, own_postgres: OwnPostgres
) -> None:
    """It lives, is not ready for a reason, refuses files with 503, and works the first one once the database is up."""
    content = rows(200)
    site.write("data.csv", content)
    wanted = {"file_name": "data.csv", "file_container": "test"}
    own_postgres.kill()
    port = _free_port()
    with (
        _serving(site, port=port) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        live = _until(lambda: client.get("/health/live"), lambda _: True)
        ready = _until(lambda: client.get("/health/ready"), lambda answer: "refused" in answer.text)
        refused = client.post("/read-and-publish-data", json=wanted)
        tracked = client.get("/track", params={"message_id": "m1"})
        page = client.get("/")
        _until(site.log.read_text, lambda told: "requests get 503" in told)
        own_postgres.start()
        _until(lambda: client.get("/health/ready"), lambda answer: answer.json()["status"] == "ready")
        with workers(site, number=1):
            message_id = client.post("/read-and-publish-data", json=wanted).json()["message_id"]
            about = {"message_id": message_id}
            job = _until(lambda: client.get("/track", params=about).json(), lambda job: job["ended_at"])
        server.send_signal(signal.SIGTERM)
        ended = server.wait(60)

    assert live.json() == {"status": "live"}
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    (ledger,) = [part for part in ready.json()["parts"] if part["name"] == "ledger"]
    assert ledger["required"]
    assert "postgresql://" in ledger["problem"]
    assert "it is waited for" in ledger["problem"]
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["detail"] == ledger["problem"]
    assert tracked.status_code == 503
    assert page.status_code == 200
    assert job["status"] == "succeeded", job
    assert ended == 0
    site.check(message_id, content)
    told = site.log.read_text()
    assert "waiting for it" in told
    assert "requests get 503" in told
    assert "is there; going on" in told
    assert "Traceback" not in told


def test_a_service_that_waits_for_its_database_can_be_stopped(site: Site, own_postgres: OwnPostgres) -> None:
    """SIGTERM ends it at once, as it has nothing to finish."""
    own_postgres.kill()
    port = _free_port()
    with _serving(site, port=port) as server:
        _until(lambda: httpx.get(f"http://127.0.0.1:{port}/health/live"), lambda _: True)
        server.send_signal(signal.SIGTERM)

        assert server.wait(30) == 0
        assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize(
    "away_s",
    [3, pytest.param(75, marks=[pytest.mark.soak, pytest.mark.timeout(300)], id="longer than calls wait")],
)
def test_a_service_whose_database_goes_away_later_goes_on_when_it_is_back(
    site: Site, own_postgres: OwnPostgres, away_s: float
) -> None:
    """In the middle of a job: service and worker wait for it, say so now and then, and nothing is lost or doubled."""
    content = rows(4000)
    site.write("data.csv", content)
    wanted = {"file_name": "data.csv", "file_container": "test", "chunk_bytes": 4096}
    port = _free_port()
    with (
        _serving(site, port=port) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        workers(site, number=1) as (worker,),
    ):
        _until(lambda: client.get("/health/ready"), lambda answer: answer.json()["status"] == "ready")
        message_id = client.post("/read-and-publish-data", json=wanted).json()["message_id"]
        about = {"message_id": message_id}
        _until(lambda: client.get("/track", params=about).json(), lambda job: job["chunks"]["done"] >= 2)
        own_postgres.kill()
        began = time.monotonic()
        ready = _until(lambda: client.get("/health/ready"), lambda answer: answer.status_code == 503)
        time.sleep(max(0.0, away_s - (time.monotonic() - began)))
        assert (server.poll(), worker.process.poll()) == (None, None), site.log.read_text()
        own_postgres.start()
        job = _until(lambda: client.get("/track", params=about).json(), lambda job: job.get("ended_at"))

    assert [part["name"] for part in ready.json()["parts"] if not part["ok"]] == ["ledger"]
    assert job["status"] == "succeeded", job
    site.check(message_id, content)
    told = site.log.read_text()
    assert len(told.splitlines()) < 60  # it was tried hundreds of times
    assert "is there again after " in told
    assert "Traceback" not in told
