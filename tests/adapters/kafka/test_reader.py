"""Reading a topic of a real broker for showing it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer

from millstream.adapters.kafka.reader import TopicReader
from millstream.core.address import TopicAddress
from millstream.core.moment import Edge, Start
from millstream.errors import UnknownTopicError
from servers.kafka import LIMIT_S, Kafka


def reader_of(kafka: Kafka, topic: str, *, start: Start = Edge.EARLIEST) -> TopicReader:
    return TopicReader(TopicAddress(brokers=kafka.address, topic=topic), start=start)


def to_the_end(reader: TopicReader) -> Iterator[tuple[int, bytes | None]]:
    while not reader.is_caught_up:
        yield from ((record.partition, record.value) for record in reader.poll(0.2))


def test_everything_that_is_there_is_read(kafka: Kafka) -> None:
    """From the earliest record to the end of every partition, empty ones and tombstones included."""
    topic = kafka.topic(3)
    kafka.send(topic, [b"a", None, b"b"], partition=0, key="k")
    kafka.send(topic, [b"c"], partition=2)

    with closing(reader_of(kafka, topic)) as reader:
        found = list(to_the_end(reader))

    assert sorted(found, key=str) == [(0, None), (0, b"a"), (0, b"b"), (2, b"c")]


def test_reading_from_the_end_finds_what_comes(kafka: Kafka) -> None:
    """From the latest record on only new records are read."""
    topic = kafka.topic()
    kafka.send(topic, [b"old"])

    with closing(reader_of(kafka, topic, start=Edge.LATEST)) as reader:
        before = list(to_the_end(reader))
        kafka.send(topic, [b"new"])
        while not (after := reader.poll(0.2)):
            pass

    assert before == []
    assert [record.value for record in after] == [b"new"]


def test_only_committed_records_are_read(kafka: Kafka) -> None:
    """What an aborted transaction wrote is never seen, and what is behind it is."""
    topic = kafka.topic()
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": kafka.name(), "log_level": 0})
    producer.init_transactions(LIMIT_S)
    for value, commits in ((b"aborted", False), (b"committed", True)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.commit_transaction(LIMIT_S) if commits else producer.flush(LIMIT_S)
        if not commits:
            producer.abort_transaction(LIMIT_S)

    with closing(reader_of(kafka, topic)) as reader:
        assert list(to_the_end(reader)) == [(0, b"committed")]


def test_a_topic_that_is_not_there_is_named(kafka: Kafka) -> None:
    """Reading an unknown topic says that it is unknown."""
    with pytest.raises(UnknownTopicError):
        reader_of(kafka, kafka.name())
