"""The whole grown service under kill -9: API, workers, PostgreSQL, RabbitMQ and Temporal, at random moments under load.

Theory of operation: several files are asked for over HTTP; meanwhile a *monkey* picks victims: it kills one and starts
it again, or stops a worker with SIGSTOP for longer than its lease and lets it go on. Afterwards what was published is
compared, by id, with an independent reader of the files.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crash.killing import Process
from crash.test_elsewhere import new_database
from crash.test_ingest import write_csv
from servers.own import Own
from servers.postgres import OwnPostgres

if TYPE_CHECKING:
    from servers.rabbitmq import OwnRabbitMQ
    from servers.temporal import OwnTemporal

SEED = int(os.environ.get("MILLSTREAM_TEST_SEED", "20261122"))
LEASE_S = 3
STALL_S = 90.0
"""A service that goes on does something within this time: leases and pauses are far shorter."""
ENDED = {"succeeded", "failed", "partial", "cancelled"}
TOP = """
state = "state"
dispatcher = "{dispatcher}"
lease = "{lease}s"
scratch = "copies"
{more}

[serve]
listen = "127.0.0.1:{port}"
to = "{to}"
workers = 2
processes = 1
backoff = "0.2s"
retries = 30

[[container]]
name = "inbox"
address = "inbox"
"""


class Site:
    """A folder that all machines share, and the processes that stand for machines."""

    def __init__(self, folder: Path, *, settings: str, environment: dict[str, str], port: int) -> None:
        self.folder, self.port = folder, port
        for name in ("inbox", "out", "copies"):
            (folder / name).mkdir(parents=True)
        (folder / "mill.toml").write_text(settings, encoding="utf-8")
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start the server (`serve`) or a worker (any other name)."""
        verb = "serve" if name == "serve" else "worker"
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = Process(
                [sys.executable, "-m", "millstream", verb, "--config", "mill.toml"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def send(self, name: str, signum: signal.Signals) -> None:
        """Send a signal to one of them, and to the worker hosts that it has."""
        process = self._running[name]
        members = [process.pid, *_descendants(process.pid)]
        for pid in members if signum in {signal.SIGSTOP, signal.SIGCONT} else members[:1]:
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                continue
        if signum == signal.SIGKILL:
            process.wait(30)

    def stop(self) -> None:
        """End what still runs."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait(60)

    def logs(self) -> str:
        """What they had to say, the end of it."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def ask(self, method: str, path: str, body: object = None, *, key: str = "") -> dict[str, object]:
        """An answer of the API, which may be gone for a while."""
        until = time.monotonic() + 90
        while True:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.port}{path}",
                method=method,
                data=json.dumps(body).encode() if body is not None else None,
                headers={"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {}),
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
                    return dict(json.load(answer))
            except urllib.error.HTTPError as error:
                if error.code not in {409, 429, 503} or time.monotonic() > until:
                    raise AssertionError(f"{error.code}: {error.read().decode()[:500]}") from error
            except OSError:
                if time.monotonic() > until:
                    raise AssertionError(self.logs()) from None
            time.sleep(0.1)


def _descendants(pid: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it ended meanwhile
        return
    for thread in threads:
        try:
            found = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in found:
            yield int(child)
            yield from _descendants(int(child))


class Monkey:
    """Ends and restarts things at random."""

    def __init__(self, site: Site, servers: Sequence[Own], *, draw: random.Random) -> None:
        self._site, self._servers, self._draw = site, servers, draw
        self.did: Counter[str] = Counter()

    def act(self, what: str) -> None:
        """Do one thing to one victim, and leave everything running again."""
        self.did[what] += 1
        pause_s = self._draw.uniform(0.1, 1.0)
        if what in {"serve", "worker-1", "worker-2"}:
            self._site.send(what, signal.SIGKILL)
            time.sleep(pause_s)
            self._site.start(what)
        elif what == "freeze":
            name = self._draw.choice(["worker-1", "worker-2"])
            self._site.send(name, signal.SIGSTOP)
            time.sleep(LEASE_S + 1.5)
            self._site.send(name, signal.SIGCONT)
        else:
            server = self._servers[int(what)]
            server.kill()
            time.sleep(pause_s)
            server.start()


@contextmanager
def grown(
    folder: Path, *, dispatcher: str, to: str, servers: Sequence[Own], environment: dict[str, str], more: str
) -> Iterator[Site]:
    """A server and two workers while they are needed."""
    port = _free_port()
    settings = TOP.format(dispatcher=dispatcher, lease=LEASE_S, to=to, port=port, more=more)
    site = Site(folder, settings=settings, environment=environment, port=port)
    del servers
    with ExitStack() as stack:
        stack.callback(site.stop)
        for name in ("serve", "worker-1", "worker-2"):
            site.start(name)
        yield site


def _free_port() -> int:
    import socket  # noqa: PLC0415 - for this one line

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def run_campaign(
    site: Site, monkey: Monkey, *, files: int, rows: int, acts: Sequence[str], seed: int
) -> dict[str, list[dict[str, str]]]:
    """Ask for files, let the monkey act, wait for the end; returns the records of each job by its id."""
    draw = random.Random(seed)
    jobs: dict[str, list[dict[str, str]]] = {}

    def order() -> None:
        number = len(jobs)
        records = write_csv(site.folder / "inbox" / f"{number}.csv", rows=rows, seed=seed + number)
        body = {"file_name": f"{number}.csv", "file_container": "inbox", "chunk_bytes": 20_000}
        answer = site.ask("POST", "/read-and-publish-data", body, key=f"key-{seed}-{number}")
        jobs[str(answer["message_id"])] = records

    for _ in range(files):
        order()

    def is_over() -> bool:
        found = [site.ask("GET", f"/track?message_id={job}")["status"] for job in jobs]
        return all(status in ENDED for status in found)

    in_the_middle = 0
    for what in acts:
        order()  # so that there is always something to disturb
        time.sleep(draw.uniform(0.0, 0.3))
        in_the_middle += not is_over()
        monkey.act(what)
    assert in_the_middle > 0, "nothing was disturbed"
    wait_while_it_goes_on(site, list(jobs))
    for job, records in jobs.items():
        found = site.ask("GET", f"/track?message_id={job}")
        assert found["status"] == "succeeded", f"{found}\n{site.logs()}"
        assert found["records_published"] == len(records)
    return jobs


def wait_while_it_goes_on(site: Site, jobs: Sequence[str]) -> None:
    """Wait until all have ended, however slow the machine is, unless nothing at all happens for a long time."""
    before: list[object] = []
    until = time.monotonic() + STALL_S
    while True:
        found = [site.ask("GET", f"/track?message_id={job}") for job in jobs]
        going = [each for each in found if each["status"] not in ENDED]
        if not going:
            return
        now = [(each["chunks"], each["bytes_done"], each["status"]) for each in found]
        if now != before:
            before, until = now, time.monotonic() + STALL_S
        assert time.monotonic() < until, f"nothing happens any more: {going}\n{site.logs()}"
        time.sleep(0.2)


def check_files(site: Site, jobs: dict[str, list[dict[str, str]]]) -> None:
    """Every record of every file once, in order, under its id; nothing else lies around."""
    for job, records in jobs.items():
        lines = (site.folder / "out" / f"{job}.jsonl").read_bytes().splitlines()
        found = [json.loads(line) for line in lines]
        assert [record.pop("_id") for record in found] == [f"{job}:{number}" for number in range(len(records))]
        assert found == records


@pytest.fixture(params=["rabbitmq", "temporal"])
def bell(request: pytest.FixtureRequest) -> tuple[str, Own, dict[str, str], str]:
    """Both ways: the dispatcher, its server, the environment, and what else the settings need."""
    if request.param == "rabbitmq":
        rabbitmq: OwnRabbitMQ = request.getfixturevalue("own_rabbitmq")
        return "rabbitmq", rabbitmq, {"MILLSTREAM_BROKER": rabbitmq.url}, ""
    temporal: OwnTemporal = request.getfixturevalue("own_temporal")
    return "temporal", temporal, {}, f'temporal = "{temporal.address}"\nnamespace = "{temporal.namespace}"\n'


Bell = tuple[str, Own, dict[str, str], str]


def _campaign(
    tmp_path: Path, bell: Bell, own_postgres: OwnPostgres, *, rounds: int, seed: int, files: int, rows: int
) -> None:
    dispatcher, server, environment, more = bell
    environment = {**environment, "MILLSTREAM_LEDGER": new_database(own_postgres)}
    draw = random.Random(seed)
    servers: list[Own] = [own_postgres, server]
    victims = ["serve", "worker-1", "worker-2", "freeze", "0", "1"]
    acts = [victim for _ in range(rounds) for victim in draw.sample(victims, len(victims))]
    with grown(
        tmp_path / "site", dispatcher=dispatcher, to="out", servers=servers, environment=environment, more=more
    ) as site:
        monkey = Monkey(site, servers, draw=draw)
        jobs = run_campaign(site, monkey, files=files, rows=rows, acts=acts, seed=seed)
        check_files(site, jobs)
    assert set(monkey.did) == set(victims)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_grown_service_survives_the_death_of_every_part(
    tmp_path: Path, bell: Bell, own_postgres: OwnPostgres
) -> None:
    """API, workers, database and dispatcher are killed in turn, a worker is frozen: every record is there once."""
    _campaign(tmp_path, bell, own_postgres, rounds=1, seed=SEED, files=3, rows=60_000)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_a_grown_service_survives_many_deaths(tmp_path: Path, bell: Bell, own_postgres: OwnPostgres, seed: int) -> None:
    """The same, many times over."""
    _campaign(tmp_path, bell, own_postgres, rounds=5, seed=seed, files=10, rows=60_000)
