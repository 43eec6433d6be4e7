"""`millstream serve` and `millstream worker` as processes of their own, over real servers."""

import json
import select
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from wiring.grown import DISPATCHERS, Site, rows, site_of, workers

pytestmark = pytest.mark.slow


@pytest.fixture(params=DISPATCHERS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A service with one dispatcher or the other."""
    return site_of(request, folder=tmp_path)


def test_a_request_is_worked_elsewhere(site: Site) -> None:
    """A file that is asked for over HTTP is published by a worker, and tracked to its end; all parts are ready."""
    content = rows(3000)
    site.write("data.csv", content)
    command = [sys.executable, "-m", "millstream", "serve", "--config", str(site.config), "--listen", "127.0.0.1:0"]
    with site.log.open("ab") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        assert server.stdout is not None
        assert select.select([server.stdout], [], [], 60)[0], site.log.read_text()
        line = server.stdout.readline()
        assert line, site.log.read_text()
        with workers(site, number=1) as started, httpx.Client(base_url=json.loads(line)["url"], timeout=30) as client:
            wanted = {"file_name": "data.csv", "file_container": "test", "chunk_bytes": 10_000}
            message_id = client.post("/read-and-publish-data", json=wanted).json()["message_id"]
            with client.stream("GET", "/track/events", params={"message_id": message_id}, timeout=60) as stream:
                words = [line for line in stream.iter_lines() if line.startswith("event: ")]
            document = client.get("/track", params={"message_id": message_id}).json()
            ready = client.get("/health/ready").json()
            pool = client.get("/api/pipelines").json()["pool"]
            ends = [worker.end() for worker in started]

        assert document["status"] == "succeeded", document
        assert document["records_published"] == len(content)
        assert words[-1] == "event: ended"
        assert ready["status"] == "ready", ready
        assert {part["name"] for part in ready["parts"]} == {"ledger", "container test", "sink", "dispatcher"}
        assert pool is None
        assert ends == [0]
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        site.check(message_id, content)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
