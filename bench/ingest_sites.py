"""Services to be measured: processes as a person starts them, servers of their own, jobs sent over HTTP."""

import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

sys.path.append(str(Path(__file__).parents[1]))  # `dev` lies beside this folder

from dev import postgres, rabbitmq, temporal
from dev.process import Running

CONTAINER = "bench"
LOOK_EVERY_S = 0.01
ASK_EVERY_S = 10.0
PATIENCE_S = 900.0
STOP_LIMIT_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A service that runs: where it listens and writes, and its processes. `worker` is None where it works itself."""

    name: str
    url: str
    output: Path
    service: int
    worker: int | None = None
    servers: tuple[int, ...] = field(default=())

    @property
    def own(self) -> tuple[int, ...]:
        """Its first processes, without those of other programs."""
        return (self.service,) if self.worker is None else (self.service, self.worker)

    def send(self, name: str, *, chunk: int) -> str:
        """Send a job; returns its id."""
        answer = self._ask(
            "POST", "/read-and-publish-data", {"file_name": name, "file_container": CONTAINER, "chunk_bytes": chunk}
        )
        message_id: str = answer["message_id"]
        return message_id

    def wait(self, message_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Wait until the files of these jobs are there; what is said of each then.

        The files are looked for, because a service that is asked again and again has less time for its work.
        """
        until = time.monotonic() + PATIENCE_S
        for message_id in message_ids:
            ask_at = time.monotonic() + ASK_EVERY_S
            while not self.file_of(message_id).exists():
                time.sleep(LOOK_EVERY_S)
                if time.monotonic() > ask_at:
                    ask_at = time.monotonic() + ASK_EVERY_S
                    found = self._track(message_id)
                    assert found["status"] not in ("failed", "partial", "cancelled"), found
                    assert time.monotonic() < until, found
        jobs = {message_id: self._track(message_id) for message_id in message_ids}
        assert all(job["status"] == "succeeded" for job in jobs.values()), jobs
        return jobs

    def file_of(self, message_id: str) -> Path:
        """Where the records of a job are in the end."""
        return self.output / f"{message_id}.jsonl"

    def _track(self, message_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/track?message_id={message_id}")

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        assert response.status < 300, answer
        return answer


@contextmanager
def sites(folder: Path, *, data: Path, workers: int) -> Iterator[list[Site]]:
    """An embedded service, one on RabbitMQ and one on Temporal, each with `workers` workers; raises ServerError."""
    with ExitStack() as stack:
        database = stack.enter_context(_server(postgres.start(folder)))
        broker = stack.enter_context(_server(rabbitmq.start(folder)))
        clock = stack.enter_context(_server(temporal.start(folder)))
        yield [
            stack.enter_context(_site(folder, "embedded", data=data, workers=workers)),
            stack.enter_context(
                _site(
                    folder,
                    "RabbitMQ",
                    data=data,
                    workers=workers,
                    words={"dispatcher": "rabbitmq", "broker": f"amqp://{broker.address}"},
                    servers=(database, broker),
                )
            ),
            stack.enter_context(
                _site(
                    folder,
                    "Temporal",
                    data=data,
                    workers=workers,
                    words={"dispatcher": "temporal", "temporal": clock.address},
                    servers=(database, clock),
                )
            ),
        ]


@contextmanager
def _server(running: Running) -> Iterator[Running]:
    try:
        yield running
    finally:
        running.stop()
        running.forget()


@contextmanager
def _site(
    folder: Path,
    name: str,
    *,
    data: Path,
    workers: int,
    words: dict[str, str] | None = None,
    servers: Sequence[Running] = (),
) -> Iterator[Site]:
    place = folder / name.lower()
    place.mkdir()
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles a program anew for each run
    words = {"state": str(place / "state"), **(words or {})}
    if servers:
        words["ledger"] = _new_database(servers[0])
    config = _write_config(place, words=words, data=data, workers=workers)
    with ExitStack() as stack:
        service, said = stack.enter_context(_started("serve", config, environment=environment))
        worker = stack.enter_context(_started("worker", config, environment=environment))[0] if servers else None
        yield Site(
            name=name,
            url=said["url"],
            output=place / "out",
            service=service,
            worker=worker,
            servers=tuple(server.pid for server in servers),
        )


def _write_config(place: Path, *, words: dict[str, str], data: Path, workers: int) -> Path:
    config = place / "mill.toml"
    top = "\n".join(f"{name} = {json.dumps(value)}" for name, value in words.items())
    config.write_text(
        f'{top}\n[serve]\nlisten = "127.0.0.1:0"\nto = {json.dumps(str(place / "out"))}\nworkers = {workers}\n'
        f'[[container]]\nname = "{CONTAINER}"\naddress = {json.dumps(str(data))}\n',
        encoding="utf-8",
    )
    return config


@contextmanager
def _started(verb: str, config: Path, *, environment: dict[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """A process that is ready, and what it said then; ended in order, so that nothing of it is left."""
    command = [sys.executable, "-m", "millstream", verb, "--config", str(config), "--json"]
    with (config.parent / f"{verb}.log").open("w+b") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise RuntimeError(f"{verb} did not start: {Path(log.name).read_text(encoding='utf-8')}")
            yield process.pid, json.loads(line)
        finally:
            _end(process)
            if process.stdout:
                process.stdout.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _new_database(server: Running) -> str:
    """The address of a database that nobody else has."""
    address = f"postgresql://{postgres.ROLE}@{server.address}"
    name = f"bench{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{address}/{name}"


def clear(site: Site) -> None:
    """Delete what jobs wrote, so that the next ones find the same room."""
    for path in site.output.glob("*.jsonl"):
        path.unlink()
