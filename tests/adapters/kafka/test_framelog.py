"""The frame log on a real broker."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from confluent_kafka import Producer

from adapters.kafka.listening import Share, connection, poll
from millstream.adapters.kafka.connection import Connection
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.core.moment import Edge
from millstream.errors import BrokerError, FencedError, InvalidValueError, TransactionAbortedError, UnknownTopicError
from millstream.ports.framelog import Bookmark, DeadLetter, Run
from servers.kafka import Kafka

Worker = Callable[..., KafkaFrameLog]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Makes workers, and closes them all."""
    made: list[KafkaFrameLog] = []
    slots = itertools.count()

    def make(place: Connection, **settings: object) -> KafkaFrameLog:
        settings = {"transactional_id": f"{place.group}-test-{next(slots)}", **settings}
        made.append(KafkaFrameLog(place, **settings))
        return made[-1]

    yield make
    for log in made:
        log.close()


def numbered(count: int) -> list[bytes | None]:
    return [b"%d" % number for number in range(count)]


def caught_up(share: Share, ends: dict[int, int]) -> Callable[[], bool]:
    return lambda: share.ends == ends


def test_frames_come_in_order_with_their_offsets_and_the_end_is_told(kafka: Kafka, worker: Worker) -> None:
    """Each partition is read from its first record to its end, an empty one included."""
    topic, share = kafka.topic(3), Share()
    kafka.send(topic, numbered(5), partition=0)
    kafka.send(topic, numbered(9000), partition=1)

    poll(worker(connection(kafka, topic)), share, caught_up(share, {0: 5, 1: 9000, 2: 0}))

    assert share.values == {0: numbered(5), 1: numbered(9000), 2: []}
    assert share.offsets == {0: list(range(5)), 1: list(range(9000)), 2: []}
    assert share.told == [("assigned", [0, 1, 2])]
    assert share.bookmarks == {0: None, 1: None, 2: None}


def test_a_run_says_when_it_was_written_and_how_far_its_partition_goes(kafka: Kafka, worker: Worker) -> None:
    """A run's stamp is the time of writing in seconds, its end the partition's."""
    topic, before = kafka.topic(), time.time()
    kafka.send(topic, [b"a", None])
    log, share, found = worker(connection(kafka, topic)), Share(), []

    while not share.ends:
        found += log.poll(0.5, share)
        share.take(found[-1:])

    runs = [each for each in found if isinstance(each, Run)]
    assert [value for run in runs for value in run.values] == [b"a", None]
    assert all(before - 1 < (run.stamped_s or 0) < time.time() + 1 for run in runs)
    assert runs[-1].end == 2


def test_deltas_dead_letters_and_bookmarks_are_there_after_a_commit(kafka: Kafka, worker: Worker) -> None:
    """A successor gets the bookmark, and readers of committed records get deltas and dead letters."""
    topic, share, later = kafka.topic(2), Share(), Share()
    kafka.send(topic, numbered(5), partition=1)
    place = connection(kafka, topic)
    log = worker(place)
    poll(log, share, caught_up(share, {0: 0, 1: 5}))

    letter = DeadLetter(partition=1, offset=2, reason="no user", value=b"2")
    log.commit([(1, b"delta")], {1: Bookmark(offset=4, note="n" * 4095)}, [letter])
    log.close()
    poll(worker(place), later, caught_up(later, {0: 0, 1: 5}))

    assert [(each.partition(), each.value()) for each in kafka.read(place.deltas)] == [(1, b"delta")]
    (dead,) = kafka.read(place.rejects)
    assert (dead.key(), dead.value()) == (b"1:2", b"2")
    assert dict(dead.headers() or []) == {
        "reason": b"no user",
        "topic": topic.encode(),
        "partition": b"1",
        "offset": b"2",
    }
    assert later.bookmarks == {0: None, 1: Bookmark(offset=4, note="n" * 4095)}
    assert later.values[1] == [b"4"]


def test_a_note_that_a_broker_would_refuse_is_refused_before_anything_is_written(kafka: Kafka, worker: Worker) -> None:
    """A note of 4096 characters, or one that is not ASCII, is an error that says so; the log goes on."""
    topic, share = kafka.topic(), Share()
    place = connection(kafka, topic)
    log = worker(place)
    poll(log, share, caught_up(share, {0: 0}))

    with pytest.raises(InvalidValueError, match="at most 4095 ASCII characters, found '4096 characters'"):
        log.commit([(0, b"never")], {0: Bookmark(offset=0, note="n" * 4096)})
    with pytest.raises(InvalidValueError, match="not ASCII"):
        log.commit([(0, b"never")], {0: Bookmark(offset=0, note="ü")})
    log.commit([(0, b"delta")], {0: Bookmark(offset=0)})

    assert [each.value() for each in kafka.read(place.deltas)] == [b"delta"]


def test_a_commit_for_a_partition_of_another_worker_is_aborted_and_the_log_rewinds(
    kafka: Kafka, worker: Worker
) -> None:
    """Nothing of it is visible; the next poll tells the bookmarks again and reads from them."""
    topic, share = kafka.topic(), Share()
    kafka.send(topic, numbered(10))
    place = connection(kafka, topic)
    log = worker(place)
    poll(log, share, caught_up(share, {0: 10}))
    log.commit([(0, b"first")], {0: Bookmark(offset=7, note="seven")})

    with pytest.raises(TransactionAbortedError):
        log.commit([(0, b"second")], {0: Bookmark(offset=10), 5: Bookmark(offset=1)})
    share.ends.clear()
    poll(log, share, caught_up(share, {0: 10}))

    assert share.told == [("assigned", [0]), ("assigned", [0])]
    assert share.bookmarks == {0: Bookmark(offset=7, note="seven")}
    assert share.offsets[0] == [7, 8, 9]
    assert [each.value() for each in kafka.read(place.deltas)] == [b"first"]


def test_a_commit_that_the_broker_aborts_leaves_nothing(kafka: Kafka, worker: Worker) -> None:
    """After a generation that is over, the transaction is aborted, and the worker goes on from what is committed."""
    topic, share, other = kafka.topic(), Share(), Share()
    kafka.send(topic, numbered(10))
    place = connection(kafka, topic)
    log = worker(place)
    poll(log, share, caught_up(share, {0: 10}))
    stale, second = log._member, worker(place)
    poll_both(
        log, share, second, other, until=lambda: ("revoked", [0]) in share.told and (share.bookmarks or other.bookmarks)
    )
    holder, held = (log, share) if share.bookmarks else (second, other)
    records = [(0, b"zombie")]

    holder._member, current = stale, holder._member
    with pytest.raises(TransactionAbortedError):
        holder.commit(records, {0: Bookmark(offset=10)})
    holder._member = current
    poll_both(log, share, second, other, until=lambda: held.told[-2:] == [("assigned", [0])] * 2)
    holder.commit([(0, b"right")], {0: Bookmark(offset=10)})

    assert [each.value() for each in kafka.read(place.deltas)] == [b"right"]


def poll_both(
    log: KafkaFrameLog, share: Share, second: KafkaFrameLog, other: Share, *, until: Callable[[], object]
) -> None:
    """Poll two workers in turn."""

    def both() -> bool:
        other.take(second.poll(0.1, other))
        return bool(until())

    poll(log, share, both)


def test_a_commit_is_possible_while_partitions_are_taken_away(kafka: Kafka, worker: Worker) -> None:
    """What a worker commits inside of `revoked` counts, and the new owner goes on from there."""
    topic, place_of = kafka.topic(2), kafka.name()
    kafka.send(topic, numbered(10), partition=0)
    kafka.send(topic, numbered(10), partition=1)
    place = connection(kafka, topic, group=place_of)
    log, other = worker(place), Share()

    def commit(partitions: Sequence[int]) -> None:
        log.commit(
            [(each, b"revoked") for each in partitions], {each: Bookmark(offset=6, note="r") for each in partitions}
        )

    share = Share(commit)
    poll(log, share, caught_up(share, {0: 10, 1: 10}))
    second = worker(place)
    poll_both(log, share, second, other, until=lambda: len(share.bookmarks) == len(other.bookmarks) == 1)

    assert share.told[1] == ("revoked", [0, 1])
    assert {**share.bookmarks, **other.bookmarks} == dict.fromkeys((0, 1), Bookmark(offset=6, note="r"))
    assert len(kafka.read(place.deltas)) == 2


def test_a_successor_shuts_out_its_predecessor(kafka: Kafka, worker: Worker) -> None:
    """Of two workers with one transactional id the earlier one is told that it was fenced; nothing of it is visible."""
    topic, share = kafka.topic(), Share()
    kafka.send(topic, numbered(3))
    place = connection(kafka, topic)
    zombie = worker(place, transactional_id="same")
    poll(zombie, share, caught_up(share, {0: 3}))

    worker(place, transactional_id="same")
    with pytest.raises(FencedError, match="start it again"):
        zombie.commit([(0, b"zombie")], {0: Bookmark(offset=3)})

    assert kafka.read(place.deltas) == []


def test_a_partition_that_is_added_is_read_from_its_first_record(kafka: Kafka, worker: Worker) -> None:
    """Even by a group that began at the end of the topic; and deltas of it can be written."""
    topic, share = kafka.topic(), Share()
    kafka.send(topic, numbered(3))
    place = connection(kafka, topic)
    log = worker(place, start=Edge.LATEST)
    poll(log, share, caught_up(share, {0: 3}))
    kafka.extend(topic, 2)
    kafka.send(topic, [b"new"], partition=1)

    poll(log, share, lambda: share.values.get(1) == [b"new"])
    log.commit([(1, b"delta")], {1: Bookmark(offset=1)})

    assert [each.partition() for each in kafka.read(place.deltas)] == [1]


@pytest.mark.parametrize(("start", "expected"), [(None, 0), (Edge.EARLIEST, 0), (Edge.LATEST, 6), ("between", 4)])
def test_a_group_begins_where_it_is_told_once(kafka: Kafka, worker: Worker, start: object, expected: int) -> None:
    """The start holds for a group that has read nothing, for its successors too, and for nobody afterwards."""
    topic, share, later, told = kafka.topic(), Share(), Share(), []
    place = connection(kafka, topic)
    producer = Producer({"bootstrap.servers": kafka.address})
    for number in range(6):
        producer.produce(topic, value=b"%d" % number, partition=0, timestamp=1_700_000_000_000 + number * 1000)
    producer.flush()
    start = 1_700_000_003.5 if start == "between" else start

    log = worker(place, start=start)
    kafka.send(topic, [b"6"])
    poll(log, share, caught_up(share, {0: 7}))
    log.close()  # it did not commit anything
    kafka.send(topic, [b"7"])
    log = worker(place, start=start, tell=told.append)
    poll(log, later, caught_up(later, {0: 8}))
    log.commit([], {0: Bookmark(offset=8)})
    log.close()
    later.ends.clear()
    poll(worker(place, start=Edge.EARLIEST, tell=told.append), later, caught_up(later, {0: 8}))

    assert share.offsets == {0: list(range(expected, 7))}
    assert share.bookmarks == {0: None}
    assert later.bookmarks == {0: Bookmark(offset=8)}
    assert later.offsets == {0: []}
    assert "goes on where it stopped" in told[-1]


def test_aborted_records_are_not_delivered_and_leave_no_trace_in_the_offsets(kafka: Kafka, worker: Worker) -> None:
    """Offsets have holes where transactions were aborted or ended, and the end is told behind them."""
    topic, share = kafka.topic(), Share()
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": topic})
    producer.init_transactions(10)
    for value, keep in ((b"a", True), (b"b", False), (b"c", True)):
        producer.begin_transaction()
        producer.produce(topic, value=value, partition=0)
        producer.flush()
        (producer.commit_transaction if keep else producer.abort_transaction)(10)

    log = worker(connection(kafka, topic))
    poll(log, share, caught_up(share, {0: 6}))

    assert (share.values, share.offsets) == ({0: [b"a", b"c"]}, {0: [0, 4]})
    assert log.fetch(0, [0, 1, 2, 4, 5, 77]) == {0: b"a", 4: b"c"}


def test_single_frames_are_fetched_again_near_and_far(kafka: Kafka, worker: Worker) -> None:
    """Any offsets in any order, those that are gone are left out, and reading goes on where it was."""
    topic, share = kafka.topic(), Share()
    kafka.send(topic, numbered(5000))
    log = worker(connection(kafka, topic))
    poll(log, share, caught_up(share, {0: 5000}))
    wanted = [4999, 3, 5, 1200, 5000, 9999]

    found = log.fetch(0, wanted)
    kafka.send(topic, [b"next"])
    poll(log, share, caught_up(share, {0: 5001}))

    assert found == {4999: b"4999", 3: b"3", 5: b"5", 1200: b"1200"}
    assert log.fetch(0, []) == {}
    assert share.values[0][-1] == b"next"


def test_a_paused_partition_is_silent_and_complete_afterwards(kafka: Kafka, worker: Worker) -> None:
    """Nothing of it is delivered while others are; nothing is missing afterwards."""
    topic, share = kafka.topic(2), Share()
    log = worker(connection(kafka, topic))
    poll(log, share, caught_up(share, {0: 0, 1: 0}))

    log.pause([0])
    kafka.send(topic, numbered(100), partition=0)
    kafka.send(topic, numbered(100), partition=1)
    poll(log, share, lambda: share.ends[1] == 100)
    while_paused = list(share.values[0])
    log.pause([])
    poll(log, share, caught_up(share, {0: 100, 1: 100}))

    assert while_paused == []
    assert share.values == {0: numbered(100), 1: numbered(100)}


def test_a_report_without_a_new_position_is_refused_to_a_former_owner(kafka: Kafka, worker: Worker) -> None:
    """A delta of a partition that was never read can be written by its owner, and is not by anybody else."""
    topic, share, other = kafka.topic(), Share(), Share()
    place = connection(kafka, topic)
    log = worker(place)
    poll(log, share, caught_up(share, {0: 0}))
    log.commit([(0, b"idle")], {})
    stale, second = log._member, worker(place)
    poll_both(
        log, share, second, other, until=lambda: ("revoked", [0]) in share.told and (share.bookmarks or other.bookmarks)
    )
    holder, held = (log, share) if share.bookmarks else (second, other)

    holder._member = stale
    with pytest.raises(TransactionAbortedError):
        holder.commit([(0, b"idle again")], {})

    assert held.bookmarks == {0: None}
    assert [each.value() for each in kafka.read(place.deltas)] == [b"idle"]


def test_a_dead_letter_too_long_for_a_broker_is_cut_and_says_so(kafka: Kafka, worker: Worker) -> None:
    """A frame of megabytes must not stop the count."""
    topic, share = kafka.topic(), Share()
    place = connection(kafka, topic)
    log = worker(place, dead_letters=f"{topic}-dead")
    poll(log, share, caught_up(share, {0: 0}))

    log.commit([], {}, [DeadLetter(partition=0, offset=0, reason="too long", value=b"x" * 3_000_000)])

    (dead,) = kafka.read(f"{topic}-dead")
    assert len(dead.value()) == 990_000
    assert dict(dead.headers())["cut-from-bytes"] == b"3000000"


def test_a_broker_that_does_not_answer_is_one_clear_line_within_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    """At the start an address without a broker is an error, and nothing is written beside it."""
    began = time.monotonic()

    with pytest.raises(BrokerError, match="expected a Kafka broker, found none that answers"):
        KafkaFrameLog(Connection(brokers="127.0.0.1:9", topic="t", answer_s=2), transactional_id="x")

    assert time.monotonic() - began < 8
    assert capfd.readouterr() == ("", "")


def test_a_topic_that_does_not_exist_is_one_clear_line(kafka: Kafka) -> None:
    """It is not made by the way, either."""
    with pytest.raises(UnknownTopicError, match="topics create"):
        KafkaFrameLog(connection(kafka, "nowhere-to-be-found"), transactional_id="x")

    assert "nowhere-to-be-found" not in kafka.admin().list_topics(timeout=10).topics
