"""Writing lines to a real broker: none is lost or doubled, and each is accounted for."""

import os
import time
from collections import Counter

import pytest

from millstream.adapters.kafka.producer import RUN, LineProducer
from millstream.core.address import TopicAddress
from servers.kafka import Kafka

LIMIT_S = 30


def address(kafka: Kafka, topic: str) -> TopicAddress:
    return TopicAddress(brokers=kafka.address, topic=topic)


def test_values_without_keys_are_spread_evenly_and_in_order(kafka: Kafka) -> None:
    """Each partition gets the same share, and its values in the order in which they were sent."""
    topic = kafka.topic(4)
    values = [f"{number:06}".encode() for number in range(8 * RUN)]
    producer = LineProducer(address(kafka, topic), partitions=4)

    for start in range(0, len(values), RUN):
        producer.send(values[start : start + RUN])
    waiting = producer.wait(LIMIT_S)
    found = kafka.read(topic)

    assert (waiting, producer.delivered, producer.failed) == (0, len(values), 0)
    assert sorted(message.value() for message in found) == values
    assert Counter(message.partition() for message in found) == dict.fromkeys(range(4), 2 * RUN)
    for partition in range(4):
        part = [message.value() for message in found if message.partition() == partition]
        assert part == sorted(part)


def test_values_of_one_key_stay_together(kafka: Kafka) -> None:
    """All values of a key are in one partition, with the key; a value without one is somewhere."""
    topic = kafka.topic(4)
    keys = [f"user-{number % 20}" for number in range(200)] + [None]
    producer = LineProducer(address(kafka, topic), partitions=4)

    producer.send([str(number).encode() for number in range(201)], keys=keys)
    producer.wait(LIMIT_S)
    found = kafka.read(topic)

    places = {(message.key(), message.partition()) for message in found if message.key() is not None}
    assert len(found) == 201
    assert len(places) == 20
    assert len({partition for _, partition in places}) > 1


def test_records_are_stamped_when_they_are_written(kafka: Kafka) -> None:
    """The time of a record is now, whatever times are in it."""
    topic, before_s = kafka.topic(), time.time()
    producer = LineProducer(address(kafka, topic), partitions=1)

    producer.send([b'{"ts": 1468244340}'])
    producer.wait(LIMIT_S)
    ((_, stamped_ms),) = [message.timestamp() for message in kafka.read(topic)]

    assert before_s - 1 <= stamped_ms / 1000 <= time.time() + 1


@pytest.mark.parametrize("size_bytes", [2_000_000, 17_000_000])
def test_a_value_that_is_too_long_fails_alone(kafka: Kafka, size_bytes: int) -> None:
    """A value longer than the topic takes, or than can be sent at all, has failed; those beside it are delivered."""
    topic = kafka.topic()
    producer = LineProducer(address(kafka, topic), partitions=1)
    value = os.urandom(size_bytes)

    producer.send([b"a", value, b"b"])
    waiting = producer.wait(LIMIT_S)

    assert (waiting, producer.delivered, producer.failed) == (0, 2, 1)
    assert "too large" in producer.failure
    assert [message.value() for message in kafka.read(topic)] == [b"a", b"b"]


def test_a_long_value_is_delivered_where_it_may(kafka: Kafka) -> None:
    """A topic that takes long records gets them."""
    topic = kafka.topic(config={"max.message.bytes": "4000000"})
    producer = LineProducer(address(kafka, topic), partitions=1)

    producer.send([value := os.urandom(3_000_000)])
    producer.wait(LIMIT_S)

    assert [message.value() for message in kafka.read(topic)] == [value]


def test_nothing_is_called_delivered_before_it_is(kafka: Kafka, capfd: pytest.CaptureFixture[str]) -> None:
    """At no moment more is called delivered than the topic has, and nothing is written to a terminal."""
    topic = kafka.topic()
    producer = LineProducer(address(kafka, topic), partitions=1)

    producer.send([b"x" * 100] * 5_000)
    early = []
    while producer.wait(0.01):
        delivered = producer.delivered
        early.append(delivered > kafka.ends(topic)[0])

    assert not any(early)
    assert producer.delivered == kafka.ends(topic)[0] == 5_000
    assert capfd.readouterr() == ("", "")
