"""Administration of a real cluster: positions of consumer groups."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, TopicPartition

from millstream.adapters.kafka.admin import Cluster
from millstream.errors import GroupActiveError
from servers.kafka import LIMIT_S, Kafka


@contextmanager
def member(kafka: Kafka, *, group: str, topic: str) -> Iterator[Consumer]:
    """A member of the group that has its partitions."""
    settings = {"bootstrap.servers": kafka.address, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        assert consumer.poll(LIMIT_S) is not None
        yield consumer
    finally:
        consumer.close()


def positions(kafka: Kafka, *, group: str, topic: str, partitions: int) -> list[tuple[int, str | None]]:
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": group, "log_level": 0})
    try:
        found = consumer.committed([TopicPartition(topic, each) for each in range(partitions)], timeout=LIMIT_S)
        return [(each.offset, each.metadata) for each in found]
    finally:
        consumer.close()


def test_the_positions_of_an_idle_group_are_set(kafka: Kafka) -> None:
    """A group that nobody heard of gets positions, one that has left gets others, and its notes are forgotten."""
    topic, group, cluster = kafka.topic(2), kafka.name(), Cluster(kafka.address)
    kafka.send(topic, [b"a", b"b"], partition=0)
    with member(kafka, group=group, topic=topic) as consumer:
        consumer.commit(offsets=[TopicPartition(topic, 0, 2, metadata="a note")], asynchronous=False)

    cluster.reset(group, topic, {0: 1, 1: 0})
    cluster.reset(other := kafka.name(), topic, {0: 2})

    assert positions(kafka, group=group, topic=topic, partitions=2) == [(1, None), (0, None)]
    assert positions(kafka, group=other, topic=topic, partitions=1) == [(2, None)]


def test_a_group_at_work_is_left_alone(kafka: Kafka) -> None:
    """While a member is at work positions are neither set nor forgotten."""
    topic, group, cluster = kafka.topic(), kafka.name(), Cluster(kafka.address)
    kafka.send(topic, [b"a"])

    with member(kafka, group=group, topic=topic):
        with pytest.raises(GroupActiveError, match=f"expected group '{group}' to be idle, found 1 of its members"):
            cluster.reset(group, topic, {0: 0})
        with pytest.raises(GroupActiveError, match="stop them first"):
            cluster.forget(group)
    cluster.check_idle(group)


def test_a_group_is_forgotten(kafka: Kafka) -> None:
    """A forgotten group has no positions; forgetting one that nobody heard of is fine."""
    topic, group, cluster = kafka.topic(), kafka.name(), Cluster(kafka.address)
    cluster.reset(group, topic, {0: 0})

    cluster.forget(group)
    cluster.forget(kafka.name())

    ((offset, _),) = positions(kafka, group=group, topic=topic, partitions=1)
    assert offset < 0
    assert cluster.members(group) == 0
