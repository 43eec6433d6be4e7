"""The delta log on a real broker."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka.admin import ConfigResource

from adapters.kafka.listening import LIMIT_S, Share, connection, poll
from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.deltalog import KafkaDeltaLog
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.errors import FencedError, InvalidValueError, TransactionAbortedError
from millstream.ports.framelog import Bookmark, DeltaRecord, Restored
from servers.kafka import Kafka

Merger = Callable[..., KafkaDeltaLog]


@pytest.fixture
def merger() -> Iterator[Merger]:
    """Makes mergers, and closes them all."""
    made: list[KafkaDeltaLog] = []

    def make(place: Connection, **settings: object) -> KafkaDeltaLog:
        made.append(KafkaDeltaLog(place, results=f"{place.topic}-results", stand_s=1.0, **settings))
        return made[-1]

    yield make
    for log in made:
        log.close()


def started(log: KafkaDeltaLog) -> Restored:
    """Ask until the log is the active merger."""
    limit = time.monotonic() + LIMIT_S
    while (restored := log.start()) is None:
        assert time.monotonic() < limit, "it never becomes the active merger"
    return restored


def read(log: KafkaDeltaLog, count: int) -> list[DeltaRecord]:
    """Poll until so many records came."""
    limit, found = time.monotonic() + LIMIT_S, list[DeltaRecord]()
    while len(found) < count:
        assert time.monotonic() < limit, found
        found += log.poll(0.2)
    return found


def send_deltas(kafka: Kafka, place: Connection, deltas: list[tuple[int, bytes]]) -> None:
    """What a worker that reads the whole input would write."""
    log, share = KafkaFrameLog(place, transactional_id=f"{place.group}-w"), Share()
    poll(log, share, lambda: {each for each, _ in deltas} <= share.ends.keys())
    log.commit(deltas, {0: Bookmark(offset=0)})
    log.close()


def values(kafka: Kafka, topic: str) -> list[tuple[str, bytes | None]]:
    return [((each.key() or b"").decode(), each.value()) for each in kafka.read(topic)]


def test_a_first_merger_finds_nothing_and_reads_all_deltas(kafka: Kafka, merger: Merger) -> None:
    """No state, the first positions, and then what workers committed, in order within a partition."""
    place = connection(kafka, kafka.topic(2))
    log = merger(place)

    restored = started(log)
    send_deltas(kafka, place, [(0, b"a"), (1, b"b"), (0, b"c")])

    assert restored == Restored(state={}, positions={0: 0, 1: 0}, ends={0: 0, 1: 0})
    assert sorted(read(log, 3), key=lambda each: (each.partition, each.offset)) == [
        DeltaRecord(partition=0, offset=0, payload=b"a"),
        DeltaRecord(partition=0, offset=1, payload=b"c"),
        DeltaRecord(partition=1, offset=0, payload=b"b"),
    ]
    assert log.partitions() == 2


def test_a_successor_finds_state_and_positions(kafka: Kafka, merger: Merger) -> None:
    """State is the newest value of each key, without what was forgotten; reading goes on at the positions."""
    place = connection(kafka, kafka.topic(2))
    send_deltas(kafka, place, [(0, b"a"), (0, b"b")])
    log = merger(place)
    started(log)
    read(log, 2)
    log.commit([("minute:0", b"early")], [("one", b"1"), ("two", b"2"), ("big", b"x" * 900_000)], {0: 1})
    log.commit([("minute:0", b"final")], [("one", b"3"), ("two", None)], {})
    log.close()

    successor = merger(place)
    restored = started(successor)

    assert restored.state == {"one": b"3", "big": b"x" * 900_000}
    assert restored.positions == {0: 1, 1: 0}
    assert restored.ends[0] >= 2
    assert read(successor, 1) == [DeltaRecord(partition=0, offset=1, payload=b"b")]
    assert values(kafka, f"{place.topic}-results") == [("minute:0", b"early"), ("minute:0", b"final")]


def test_only_one_merger_is_active_and_a_second_one_stands_by(kafka: Kafka, merger: Merger) -> None:
    """The second is told to ask again, takes nothing away from the first, and leads when that one leaves."""
    place = connection(kafka, kafka.topic())
    first = merger(place)
    started(first)
    second = merger(place)

    standing_by = [second.start() for _ in range(4)]
    first.commit([("minute:0", b"1")], [], {0: 0})
    standing_by += [second.start() for _ in range(2)]
    first.commit([("minute:0", b"2")], [], {0: 0})
    first.close()
    started(second)
    second.commit([("minute:0", b"3")], [], {0: 0})

    assert standing_by == [None] * 6
    assert [value for _, value in values(kafka, f"{place.topic}-results")] == [b"1", b"2", b"3"]


class Believer:
    """The leadership as a process that slept for a while believes in it."""

    term = 1

    def check(self) -> None:
        """It learns nothing."""

    def close(self) -> None:
        """It is closed already."""


def test_a_merger_that_lost_the_lead_without_noticing_is_fenced(kafka: Kafka, merger: Merger) -> None:
    """Its commit is refused and leaves nothing, and it is told to start afresh."""
    place = connection(kafka, kafka.topic())
    zombie, successor = merger(place), merger(place)
    started(zombie)
    zombie._leader.close()
    started(successor)

    zombie._leader = Believer()
    with pytest.raises(FencedError):
        zombie.commit([("minute:0", b"zombie")], [("one", b"zombie")], {0: 0})
    successor.commit([("minute:0", b"right")], [("one", b"right")], {0: 0})

    assert values(kafka, f"{place.topic}-results") == [("minute:0", b"right")]
    assert values(kafka, place.state) == [("one", b"right")]


def test_a_merger_that_lost_the_lead_writes_nothing_and_can_lead_again(kafka: Kafka, merger: Merger) -> None:
    """It is told that its commit was aborted, stands by, and starts again when the other one has left."""
    place = connection(kafka, kafka.topic())
    first, second = merger(place), merger(place)
    started(first)
    first._leader._leads = False  # as after a session that expired
    with pytest.raises(TransactionAbortedError):
        first.commit([("minute:0", b"never")], [], {0: 0})
    first._leader._leads, first._leader._term = True, 2
    started(first)
    first.commit([("minute:0", b"again")], [], {0: 0})

    assert second.start() is None
    assert values(kafka, f"{place.topic}-results") == [("minute:0", b"again")]


def test_what_a_killed_merger_left_open_is_not_seen_by_anybody(kafka: Kafka, merger: Merger) -> None:
    """A transaction that never ended does not hold up its successor, and is not among what it restores."""
    place = connection(kafka, kafka.topic())

    class KilledError(Exception):
        pass

    def fault(point: str) -> None:
        if armed and point == "after_offsets":
            raise KilledError

    armed: list[bool] = []
    log = merger(place, fault=fault)
    started(log)
    log.commit([("minute:0", b"1")], [("one", b"1")], {0: 0})
    armed.append(True)
    with pytest.raises(KilledError):
        log.commit([("minute:0", b"2")], [("one", b"2")], {0: 7})
    log._leader.close()
    began = time.monotonic()
    successor = merger(place)
    restored = started(successor)

    assert restored.state == {"one": b"1"}
    assert restored.positions == {0: 0}
    assert time.monotonic() - began < place.transaction_timeout_s
    assert values(kafka, f"{place.topic}-results") == [("minute:0", b"1")]


def test_partitions_that_are_added_are_read_from_their_beginning(kafka: Kafka, merger: Merger) -> None:
    """The input grows while a merger is active: it says so, and reads the new partition's deltas."""
    place = connection(kafka, kafka.topic())
    log = merger(place)
    started(log)
    before = log.partitions()
    kafka.extend(place.topic, 3)

    send_deltas(kafka, place, [(2, b"new")])

    assert before == 1
    assert read(log, 1) == [DeltaRecord(partition=2, offset=0, payload=b"new")]
    assert log.partitions() == 3


def test_topics_are_made_so_that_nothing_needed_is_deleted(kafka: Kafka, merger: Merger) -> None:
    """Deltas stay for a week, state and results are compacted; deltas have the partitions of the input."""
    place = connection(kafka, kafka.topic(3))
    started(merger(place))
    wanted = [place.deltas, place.state, f"{place.topic}-results"]
    admin = kafka.admin()
    resources = [ConfigResource(ConfigResource.Type.TOPIC, each) for each in wanted]
    configs = [future.result(LIMIT_S) for future in admin.describe_configs(resources).values()]
    found = {each: len(admin.list_topics(timeout=LIMIT_S).topics[each].partitions) for each in wanted}

    assert found == dict(zip(wanted, [3, 1, 1], strict=True))
    assert [each["cleanup.policy"].value for each in configs] == ["delete", "compact", "compact"]
    assert configs[0]["retention.ms"].value == str(7 * 24 * 3600 * 1000)


def test_a_record_that_no_broker_takes_is_refused_before_anything_is_written(kafka: Kafka, merger: Merger) -> None:
    """A megabyte of state in one record is an error of the caller; the log goes on."""
    place = connection(kafka, kafka.topic())
    log = merger(place)
    started(log)

    with pytest.raises(InvalidValueError, match="at most 990000 bytes, found '1000000 bytes'"):
        log.commit([("minute:0", b"never")], [("one", b"x" * 1_000_000)], {})
    log.commit([("minute:0", b"1")], [], {})

    assert values(kafka, f"{place.topic}-results") == [("minute:0", b"1")]


def test_a_successor_of_the_same_name_leads_at_once_after_a_crash(kafka: Kafka, merger: Merger) -> None:
    """It need not wait until the session of the one that died expires."""
    place = replace(connection(kafka, kafka.topic()), session_timeout_s=30.0)
    crashed = merger(place, instance="m")
    started(crashed)
    began = time.monotonic()

    started(merger(place, instance="m"))

    assert time.monotonic() - began < 15
