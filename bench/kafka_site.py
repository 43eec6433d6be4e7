"""A broker of its own, live counts as processes on it, and what is seen of them from outside.

Nothing here asks the processes that are measured: positions, results and memberships come from the broker, processor
time and memory from the kernel. Linux only. Both stages are commands of their own (`--role`), so that each process is
known for what it does.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from millstream.adapters.kafka.admin import Cluster
from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.runs import take

sys.path.append(str(Path(__file__).parents[1]))  # `dev` lies beside this folder

from dev import kafka
from dev.places import ServerError
from dev.process import Running

JOINING = "group.initial.rebalance.delay.ms=2000\n"
"""A new group waits for further members, as it does for 3 s by default: or one worker would have read most alone."""
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.02
_MEMBER = b"--multiprocessing-fork"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

__all__ = ["Count", "Look", "Results", "ServerError", "Site", "kafka", "peak_mb", "site", "wait_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How many frames were committed at a moment, and what processor time was used by then, in seconds."""

    at_s: float
    frames: int
    workers_s: float
    merger_s: float
    broker_s: float


class Site:
    """A broker, and a folder for everything that is beside it."""

    def __init__(self, folder: Path, broker: Running) -> None:
        self.folder, self.broker = folder, broker
        self._names = 0

    def url(self, topic: str) -> str:
        """A topic as the command line takes it."""
        return f"kafka://{self.broker.address}/{topic}"

    def name(self, what: str) -> str:
        """A new name of a topic or a group."""
        self._names += 1
        return f"{what}-{self._names}"

    def topic(self, *, partitions: int) -> str:
        """Make a new topic."""
        name = self.name("frames")
        Cluster(self.broker.address).create(name, partitions=partitions)
        return name

    def broker_s(self) -> float:
        """Processor time of the broker so far."""
        return _processor_s([self.broker.pid])


@contextmanager
def site() -> Iterator[Site]:
    """Start a broker, and end it with all of its data. Raises ServerError when this machine cannot have one."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        kafka.PROPERTIES += JOINING if JOINING not in kafka.PROPERTIES else ""  # of two lines, the last one holds
        running = kafka.start(Path(name), owner=os.getpid())
        try:
            yield Site(Path(name), running)
        finally:
            running.stop()


class Count:
    """A live count of a topic by a fresh group, as a context: a command for its workers and one for its merger."""

    def __init__(self, where: Site, topic: str, *, workers: int = 1, idle: str = "10s") -> None:
        self._where, self._topic, self._workers = where, topic, workers
        self.group, self.results = where.name("group"), where.name("results")
        self._words = [
            *(sys.executable, "-m", "millstream", "count", where.url(topic), "--group", self.group),
            *("--output", where.url(self.results), "--idle", idle, "--quiet"),
        ]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._committed = Consumer({"bootstrap.servers": where.broker.address, "group.id": self.group, **_WATCHING})
        self._admin = AdminClient({"bootstrap.servers": where.broker.address, "log_level": 0})
        partitions = self._admin.list_topics(topic, timeout=10).topics[topic].partitions
        self._places = [TopicPartition(topic, number) for number in partitions]

    def __enter__(self) -> Self:
        self._start("merger")
        self._start("worker", "--workers", str(self._workers))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._committed.close()

    def members(self, role: str) -> list[int]:
        """The processes that do the work of a role, in the order of their starts."""
        process = self._processes[role]
        if process.poll() is not None:
            told = (self._where.folder / f"{self.group}-{role}.stderr").read_text()
            raise RuntimeError(f"the {role} has ended with exit code {process.returncode}: {told}")
        children = _read(Path(f"/proc/{process.pid}/task/{process.pid}/children")).split()
        return sorted(int(pid) for pid in children if _MEMBER in _read(Path(f"/proc/{int(pid)}/cmdline")))

    def peak_mb(self, role: str) -> float:
        """The most memory that one process of a role had resident so far."""
        return max(map(peak_mb, self.members(role)))

    def frames(self) -> int:
        """How many offsets of the topic are committed; all begin at 0."""
        try:
            return sum(max(0, place.offset) for place in self._committed.committed(self._places, timeout=5))
        except KafkaException:  # the group's coordinator is just being made
            return 0

    def look(self) -> Look:
        """See how far it is."""
        return Look(
            frames=self.frames(),
            at_s=time.monotonic(),
            workers_s=_processor_s(self.members("worker")),
            merger_s=_processor_s(self.members("merger")),
            broker_s=self._where.broker_s(),
        )

    def is_shared_out(self) -> bool:
        """Whether all workers have their share of the partitions."""
        try:
            group = self._admin.describe_consumer_groups([self.group])[self.group].result()
        except KafkaException:
            return False
        return group.state == ConsumerGroupState.STABLE and len(group.members) == self._workers

    def _start(self, role: str, *words: str) -> None:
        folder = self._where.folder
        command = [*self._words, "--role", role, "--state", str(folder / f"{self.group}-{role}"), *words]
        with (folder / f"{self.group}-{role}.stderr").open("wb") as stderr:
            self._processes[role] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
            )


class Results:
    """A reader of the committed results of a count, from their begin; waits until their topic is there."""

    def __init__(self, where: Site, count: Count) -> None:
        admin = AdminClient({"bootstrap.servers": where.broker.address, "log_level": 0})
        wait_for(lambda: count.results in admin.list_topics(timeout=10).topics, what="the topic of results")
        connection = Connection(brokers=where.broker.address, topic=count.results)
        self._consumer = Consumer({**connection.consumer(where.name("reader")), "enable.partition.eof": False})
        partitions = admin.list_topics(count.results, timeout=10).topics[count.results].partitions
        self._consumer.assign([TopicPartition(count.results, number, 0) for number in partitions])

    def take(self, timeout_s: float) -> Sequence[bytes]:
        """What is there, at once; or what comes first, after at most that time."""
        messages = take(self._consumer, most=1_000, timeout_s=timeout_s)
        return [message.value() or b"" for message in messages if not message.error()]

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()


_WATCHING = {
    "enable.auto.commit": False,
    "log_level": 0,
    "isolation.level": "read_uncommitted",  # or it would wait for the transaction that is under way
}


def wait_for(condition: Callable[[], bool], *, what: str, within_s: float = PATIENCE_S) -> None:
    """Ask again and again; raises TimeoutError."""
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError(f"{what}: not within {within_s:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _processor_s(pids: Iterable[int]) -> float:
    """Of user and system, by all threads."""
    ticks = 0
    for pid in pids:
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
        ticks += sum(map(int, fields[11:13]))
    return ticks / _TICKS_PER_S


def peak_mb(pid: int) -> float:
    """The most memory that a process had resident so far."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) / 1e3
    return 0.0


def _read(path: Path) -> bytes:
    """The content of a file of a process that may be gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
