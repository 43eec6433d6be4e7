"""Live counts as real processes on a real broker, each with a topic and a group of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from crash.count_kafka.reading import Results
from crash.count_kafka.traffic import Parts, expected, minutes
from crash.killing import Process, wait_until
from servers.kafka import Kafka

CHILD = Path(__file__).with_name("child.py")
SIGKILLED = "was ended by SIGKILL"
PATIENCE_S = 60.0
END_S = 30.0


class Counting:
    """A `millstream count` at work; used as a context, it is killed at the end with all of its processes."""

    def __init__(self, command: list[str], *, folder: Path, name: str, environment: Mapping[str, str]) -> None:
        self.stderr = folder / f"{name}.stderr"
        with self.stderr.open("ab") as stderr:
            self.process = Process(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def members(self) -> list[int]:
        """The process ids of its workers and its merger, in the order of their starts."""
        try:
            found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except OSError:
            return []
        return sorted(int(pid) for pid in found if "--multiprocessing-fork" in _command(int(pid)))

    def told(self) -> str:
        """What it wrote to standard error so far."""
        return self.stderr.read_text()

    def wait_told(self, text: str) -> None:
        """Wait until it says that."""
        wait_until(lambda: text in self.told(), timeout_s=PATIENCE_S, what=text)

    def frozen(self) -> list[int]:
        """The process ids of those that have frozen."""
        return [*filter(is_frozen, self.members())]

    def wait_frozen(self) -> int:
        """Wait until one of its processes has frozen, and return its id."""
        wait_until(self.frozen, timeout_s=PATIENCE_S, what="a frozen process")
        return self.frozen()[0]

    def stop(self) -> int:
        """Ask it to end, and wait; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S)

    def kill_all(self) -> None:
        """Kill it with all of its processes."""
        members = self.members()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_S)
        for pid in members:
            send(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(lives, members)), what="the end of its processes")


class Site:
    """A folder, an input topic and a group that counts it; silence of a minute tells nothing unless words say so."""

    def __init__(self, folder: Path, kafka: Kafka, *, partitions: int = 2, topic: str | None = None) -> None:
        self.folder, self.kafka = folder, kafka
        self.topic = topic or kafka.topic(partitions)
        self.group, self.results = kafka.name(), kafka.topic()
        self.reader = Results(kafka, self.results)
        self.values: list[bytes] = []
        """All frames that were sent and are to be counted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()

    def start(
        self, *words: str, state: str = "state", fault: str = "", freeze: str = "", plain: bool = False
    ) -> Counting:
        """Start a count one of whose processes dies at `fault`, or freezes; a `plain` one has everyday times."""
        program = ["-m", "millstream"] if plain else [str(CHILD)]
        count = ["count", self.kafka.url(self.topic), "--group", self.group, "--output", self.kafka.url(self.results)]
        command = [sys.executable, *program, *count, "--idle", "60s", "--state", state, *words]
        environment = {"MILLSTREAM_FAULT": fault} if fault else {}
        environment |= {"MILLSTREAM_TEST_FREEZE": freeze} if freeze else {}
        return Counting(command, folder=self.folder, name=state, environment=environment)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run any verb to its end."""
        command = [sys.executable, "-m", "millstream", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def send(self, parts: Parts, *, counted: bool = True) -> None:
        """Write frames to the input."""
        for partition, values in parts.items():
            self.kafka.send(self.topic, values, partition=partition)
            self.values += values if counted else []

    def send_slowly(self, count: int, *, until: Callable[[], bool]) -> None:
        """Write so many minutes, each when the one before is committed, and the rest at once when `until` holds.

        A quick count would have them all in fewer transactions than one of its processes is to live.
        """
        for minute in range(count):
            self.send(minutes(minute, minute + 1))
            wait_until(
                lambda: until() or self.committed() == len(self.values), timeout_s=PATIENCE_S, what=f"minute {minute}"
            )

    def committed(self) -> int:
        """How many frames the group has committed, by the broker; 0 while it does not know the group yet."""
        settings = {"bootstrap.servers": self.kafka.address, "group.id": self.group, "log_level": 0}
        consumer = Consumer(settings)
        try:
            partitions = consumer.list_topics(self.topic, timeout=END_S).topics[self.topic].partitions
            places = consumer.committed([TopicPartition(self.topic, each) for each in partitions], timeout=END_S)
        except KafkaException:
            return 0
        finally:
            consumer.close()
        return sum(max(0, place.offset) for place in places)

    def members(self) -> int:
        """How many workers are in the group and have partitions, by the broker."""
        admin = self.kafka.admin()
        try:
            found = admin.describe_consumer_groups([self.group])[self.group].result(END_S)
        except KafkaException:  # nobody keeps the group yet
            return 0
        return sum(bool(member.assignment.topic_partitions) for member in found.members)

    def wait_members(self, count: int) -> None:
        """Wait until so many workers share the partitions."""
        wait_until(lambda: self.members() == count, timeout_s=PATIENCE_S, what=f"{count} workers")

    def wait_for(self, condition: Callable[[dict[str, dict]], object], *, what: str) -> None:
        """Wait until the newest results of the windows are so."""

        def holds() -> bool:
            self.reader.read()
            return bool(condition(self.reader.newest()))

        wait_until(holds, timeout_s=PATIENCE_S, what=what)

    def wait_results(self, *, more_than: int = 0) -> None:
        """Wait until so many results are there."""
        self.wait_for(lambda _: len(self.reader.records) > more_than, what=f"more than {more_than} results")

    def wait_exact(self, *, status: Iterable[str] = ("final",)) -> None:
        """Wait until every window of the frames was put out with one of these states; then all must be right."""
        wanted, allowed = expected(self.values), set(status)
        self.wait_for(
            lambda newest: all(key in newest and newest[key]["status"] in allowed for key in wanted),
            what=f"{sorted(allowed)} of {len(wanted)} windows",
        )
        assert self.reader.differences(wanted) == {}
        self.reader.check_history()


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def lives(pid: int) -> bool:
    """Whether a process is there, and not only its entry."""
    return _state(pid) not in {"", "Z"}


def is_frozen(pid: int) -> bool:
    """Whether a process was stopped by SIGSTOP."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
