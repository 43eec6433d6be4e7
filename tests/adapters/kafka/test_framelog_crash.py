"""Workers that are killed, frozen, added and taken away: every frame is in exactly one committed delta."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from adapters.kafka.listening import LIMIT_S, Share, connection, poll
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.errors import BrokerError, TransactionAbortedError
from millstream.ports.framelog import Bookmark
from servers.kafka import Kafka, OwnKafka

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "copying.py"
POINTS = ("after_produce", "after_offsets", "after_commit_sent", "after_commit")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers, and kills what is left of them."""
    with ExitStack() as ends:

        def make(
            kafka: Kafka, topic: str, *, slot: int = 0, fault: str | None = None, after: int = 1
        ) -> subprocess.Popen[str]:
            settings = {"brokers": kafka.address, "topic": topic, "group": f"{topic}-g", "slot": str(slot)}
            command = [sys.executable, PROGRAM, json.dumps({**settings, "fault": fault, "after": after})]
            process = ends.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            ends.callback(process.kill)
            return process

        yield make


def ready(process: subprocess.Popen[str]) -> None:
    """Wait until it has partitions."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def counted(kafka: Kafka, topic: str) -> dict[int, list[int]]:
    """The frames of each partition that committed deltas tell of, in the order of the deltas."""
    found: dict[int, list[int]] = {}
    for message in kafka.read(f"{topic}-g-deltas"):
        found.setdefault(message.partition() or 0, []).extend(json.loads(message.value() or b""))
    return found


def wait_for(kafka: Kafka, topic: str, frames: int) -> dict[int, list[int]]:
    """Wait until so many frames are committed."""
    limit = time.monotonic() + LIMIT_S
    while sum(map(len, (found := counted(kafka, topic)).values())) < frames:
        assert time.monotonic() < limit, {partition: len(each) for partition, each in found.items()}
    return found


def test_a_topic_that_was_made_anew_is_not_counted_as_if_it_were_the_old_one(kafka: Kafka) -> None:
    """A position beyond the end of the topic is one clear line."""
    topic, share = filled(kafka, 10), Share()
    place = connection(kafka, topic)
    log = KafkaFrameLog(place, transactional_id=f"{place.group}-0")
    poll(log, share, lambda: share.ends == {0: 10, 1: 10})
    log.commit([], {0: Bookmark(offset=25)})
    log.close()

    log = KafkaFrameLog(place, transactional_id=f"{place.group}-0")
    with pytest.raises(BrokerError, match="partition 0 ends at 10, but 25 of it were read"):
        poll(log, share, lambda: False)
    log.close()


def test_frames_that_retention_deleted_before_they_were_read_are_told(kafka: Kafka) -> None:
    """The count goes on at the first that is left."""
    topic, share, told = filled(kafka, 10), Share(), list[str]()
    place = connection(kafka, topic)
    log = KafkaFrameLog(place, transactional_id=f"{place.group}-0")
    poll(log, share, lambda: share.ends == {0: 10, 1: 10})
    log.commit([], {0: Bookmark(offset=2), 1: Bookmark(offset=10)})
    log.close()
    admin = kafka.admin()
    admin.delete_records([TopicPartition(topic, 0, 6)])[TopicPartition(topic, 0, 6)].result(LIMIT_S)

    log = KafkaFrameLog(place, transactional_id=f"{place.group}-0", tell=told.append)
    share.ends.clear()
    poll(log, share, lambda: share.ends == {0: 10, 1: 10})
    log.close()

    assert share.offsets == {0: [6, 7, 8, 9], 1: []}
    assert told == [
        f"kafka: {kafka.address}: {topic}: partition 0: retention deleted up to 4 frames before they were read"
    ]


def filled(kafka: Kafka, frames: int, *, partitions: int = 2) -> str:
    topic = kafka.topic(partitions)
    for partition in range(partitions):
        kafka.send(topic, [b"%d" % number for number in range(frames)], partition=partition)
    return topic


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_is_killed_inside_a_commit_loses_and_doubles_nothing(
    kafka: Kafka, start: Start, point: str
) -> None:
    """Whatever was reached of the commit, its successor goes on exactly there."""
    topic = filled(kafka, 400)

    killed = start(kafka, topic, fault=point, after=4)
    killed.wait(LIMIT_S)
    start(kafka, topic)
    found = wait_for(kafka, topic, 800)

    assert killed.returncode == -signal.SIGKILL, killed.communicate()
    assert found == {0: list(range(400)), 1: list(range(400))}


def test_a_worker_that_slept_through_a_rebalance_cannot_commit_for_its_successor(kafka: Kafka, start: Start) -> None:
    """A frozen worker loses its partitions, and what it does after it is thawed changes nothing that was counted."""
    topic = filled(kafka, 3000)
    sleeper = start(kafka, topic, slot=0)
    ready(sleeper)

    sleeper.send_signal(signal.SIGSTOP)
    start(kafka, topic, slot=1)
    wait_for(kafka, topic, 6000)
    sleeper.send_signal(signal.SIGCONT)
    for partition in range(2):
        kafka.send(topic, [b"more"] * 500, partition=partition)
    found = wait_for(kafka, topic, 7000)

    assert found == {0: list(range(3500)), 1: list(range(3500))}


def test_workers_that_come_and_go_at_random_lose_and_double_nothing(kafka: Kafka, start: Start) -> None:
    """Three slots are started, stopped and killed in random order while frames are counted."""
    dice, topic = random.Random(7), filled(kafka, 6000, partitions=3)
    working: dict[int, subprocess.Popen[str]] = {0: start(kafka, topic, slot=0)}
    ready(working[0])

    for _ in range(8):
        slot = dice.randrange(3)
        if slot not in working:
            working[slot] = start(kafka, topic, slot=slot)
            if dice.random() < 0.5:
                ready(working[slot])
        else:
            process = working.pop(slot)
            process.send_signal(dice.choice((signal.SIGTERM, signal.SIGKILL)))
            process.wait(LIMIT_S)
    if not working:
        working[0] = start(kafka, topic, slot=0)
    found = wait_for(kafka, topic, 18_000)

    assert found == {partition: list(range(6000)) for partition in range(3)}


def test_counting_survives_a_restart_of_the_broker(own_kafka: OwnKafka, capfd: pytest.CaptureFixture[str]) -> None:
    """Polling and committing wait for the broker; nothing is lost, doubled, or written to the terminal."""
    topic, share, told = own_kafka.topic(), Share(), list[str]()
    own_kafka.send(topic, [b"before"] * 10)
    place = connection(own_kafka, topic)
    log = KafkaFrameLog(place, transactional_id="w", tell=told.append)
    poll(log, share, lambda: share.ends == {0: 10})

    own_kafka.kill()
    silent = [log.poll(0.5, share) for _ in range(10)]
    own_kafka.start()
    try:
        log.commit([(0, b"delta")], {0: Bookmark(offset=10)})
    except TransactionAbortedError:
        poll(log, share, lambda: share.told.count(("assigned", [0])) > 1)
        log.commit([(0, b"delta")], {0: Bookmark(offset=10)})
    own_kafka.send(topic, [b"after"] * 5)
    poll(log, share, lambda: share.values[0][-5:] == [b"after"] * 5)
    log.commit([(0, b"second")], {0: Bookmark(offset=15)})
    log.close()

    assert silent == [()] * 10
    assert share.offsets[0][-5:] == [10, 11, 12, 13, 14]
    assert [each.value() for each in own_kafka.read(place.deltas)] == [b"delta", b"second"]
    assert "waiting for it" in told[0]
    assert "answers again" in told[-1]
    assert capfd.readouterr() == ("", "")
