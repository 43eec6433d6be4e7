"""`millstream serve` as processes: from the request to the records, under load, and to its end."""

import asyncio
import json
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cli.serving import Server, run

pytestmark = pytest.mark.slow

WANTED = {"file_name": "data.csv", "file_container": "test"}
POST = "/read-and-publish-data"


def finish(client: httpx.Client, message_id: str) -> dict[str, object]:
    """Wait for the end of a job, as a listener to its events does; what `/track` says then."""
    with client.stream("GET", "/track/events", params={"message_id": message_id}, timeout=60) as stream:
        for _ in stream.iter_lines():
            pass
    return dict(client.get("/track", params={"message_id": message_id}).json())


def test_a_file_becomes_records(tmp_path: Path) -> None:
    """A file that is asked for is published record by record, and tracked by its events to the end."""
    with Server(tmp_path, "--chunk", "10KB") as server, server.client() as client:
        server.put("data.csv", rows=5000)
        accepted = client.post(POST, json=WANTED).json()
        document = finish(client, accepted["message_id"])
        page = client.get("/")
        ready = client.get("/health/ready").json()

        assert document["status"] == "succeeded", document
        assert document["records_published"] == 5000
        assert document["bytes_done"] == document["size_bytes"]
        assert ready["status"] == "ready"
        assert page.headers["Content-Type"].startswith("text/html")
    output = tmp_path / "state" / "out" / f"{accepted['message_id']}.jsonl"
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["number"] for record in records] == [str(number) for number in range(5000)]
    assert records[7] == {"number": "7", "text": "row\n7", "_id": f"{accepted['message_id']}:7"}
    assert server.process.returncode == 0


def test_a_flood_is_answered_in_bounded_memory(tmp_path: Path) -> None:
    """10,000 requests on hundreds of connections are answered with 202 or 429, and memory stays as it was."""
    with Server(tmp_path, "--request-rate", "100/s", "--quiet") as server:
        server.put("data.csv", rows=1)
        asyncio.run(flood(server.url, requests=500, connections=50))
        before = server.memory_bytes
        answers = asyncio.run(flood(server.url, requests=10_000, connections=400))
        grown = server.memory_bytes - before

        assert answers.total() == 10_000
        assert set(answers) <= {202, 429}
        assert answers[429] > 5_000
        assert answers[202] > 0
        assert grown < 60_000_000, f"grown by {grown:,} bytes"
        with server.client() as client:
            assert client.get("/health/live").status_code == 200


def test_more_connections_than_there_is_room_for(tmp_path: Path) -> None:
    """Connections beyond the limit are told 429 and closed; those that say nothing do not keep others out for ever."""
    with Server(tmp_path, "--max-connections", "10") as server:
        place = urlsplit(server.url)
        assert place.hostname is not None
        assert place.port is not None
        silent = [socket.create_connection((place.hostname, place.port)) for _ in range(10)]
        refused = httpx.get(f"{server.url}/health/live", timeout=30)

        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == "application/problem+json"
        for connection in silent:
            connection.settimeout(30)
            assert connection.recv(1) == b""  # the server gives up on them
            connection.close()
        assert httpx.get(f"{server.url}/health/live", timeout=30).status_code == 200


def test_what_is_no_http_is_a_problem(tmp_path: Path) -> None:
    """A request that is none gets a 400 problem; one that never ends is cut off, and the log stays quiet."""
    with Server(tmp_path) as server:
        place = urlsplit(server.url)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
            connection.sendall(b"GARBAGE\r\n\r\n")
            answer = connection.recv(10_000)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 400 ")
    assert "GARBAGE" not in server.errors.read_text()
    assert "Invalid" not in server.errors.read_text()


def test_a_stop_ends_streams_and_keeps_jobs(tmp_path: Path) -> None:
    """SIGTERM ends open streams, drains and exits 0; the next start goes on with what is not done."""
    words = ("--chunk", "10KB", "--workers", "1")
    with Server(tmp_path, *words) as server, server.client() as client:
        server.put("data.csv", rows=100_000)
        message_id = client.post(POST, json=WANTED).json()["message_id"]
        with client.stream("GET", "/track/events", params={"message_id": message_id}, timeout=60) as stream:
            began = time.monotonic()
            for line in stream.iter_lines():
                if line == "event: chunk" and server.process.poll() is None:
                    server.process.terminate()
        server.process.wait(60)

        assert server.process.returncode == 0
        assert time.monotonic() - began < 30
    with Server(tmp_path, *words) as server, server.client() as client:
        document = finish(client, message_id)

        assert document["status"] == "succeeded"
    lines = (tmp_path / "state" / "out" / f"{message_id}.jsonl").read_text().splitlines()
    ids = [json.loads(line)["_id"] for line in lines]
    assert ids == [f"{message_id}:{number}" for number in range(100_000)]


def test_keys_are_asked_for(tmp_path: Path) -> None:
    """A key made by `millstream key` opens a server that is configured with its table, and nothing else does."""
    made = json.loads(run("key", "alice", "--containers", "test").stdout)
    config = tmp_path / "mill.toml"
    config.write_text(made["table"])
    with Server(tmp_path, "--config", str(config)) as server:
        server.put("data.csv", rows=3)
        with server.client() as client:
            assert client.post(POST, json=WANTED).status_code == 401
        words = ("ingest", "data.csv", "--container", "test", "--server", server.url, "--wait")
        refused = run(*words)
        done = run(*words, environment={"MILLSTREAM_KEY": made["key"]})

    assert refused.returncode == 2
    assert "MILLSTREAM_KEY" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records_published"] == 3
    assert made["key"] not in config.read_text() + server.errors.read_text()


def test_two_servers_need_two_addresses(tmp_path: Path) -> None:
    """An address that is taken is told in one line, before anything is done."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = run("serve", "--listen", address, "--state", str(tmp_path / "state"))

    assert refused.returncode == 2
    assert refused.stderr == (
        f"millstream: error: listen: {address}: another program listens there; "
        "stop what listens there, or choose another with --listen\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0:0"), "no keys"),
        (("--listen", "nowhere"), "listen: expected HOST:PORT"),
        (("--container", "test=missing/"), "expected a folder"),
        (("--container", "Test=."), "lower-case letters"),
        (("--container", "test"), "expected NAME=ADDRESS"),
        (("--container", "test=http://example.org/"), "container"),
        (("--to", "http://example.org/"), "to: expected"),
        (("--chunk", "10"), "1KB to 64MB"),
        (("--config", "missing.toml"), "cannot be read"),
    ],
)
def test_wrong_settings_are_told_in_a_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """What cannot be is told at once, each problem in one line, with exit code 2."""
    refused = run("serve", "--state", str(tmp_path / "state"), *words)

    assert refused.returncode == 2
    assert said in refused.stderr
    assert all(line.startswith("millstream: error: ") for line in refused.stderr.splitlines())
    assert refused.stdout == ""


async def flood(url: str, *, requests: int, connections: int) -> Counter[int]:
    """Ask for one file that often on so many connections at once, as fast as it goes; how often each status came."""
    place = urlsplit(url)
    body = json.dumps(WANTED).encode()
    head = f"POST {POST} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    left = iter(range(requests))
    answers: Counter[int] = Counter()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for _ in left:
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(line for line in answer.splitlines() if line.startswith("content-length:"))
            await reader.readexactly(int(length.partition(":")[2]))
            answers[int(answer[9:12])] += 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(ask() for _ in range(connections)))
    return answers
