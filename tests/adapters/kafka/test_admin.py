"""Administration of a real cluster: topics."""

import pytest
from dev.places import free_ports

from millstream.adapters.kafka.admin import Cluster
from millstream.core.moment import Edge
from millstream.errors import BrokerError, TopicExistsError, UnknownTopicError
from servers.kafka import Kafka


def test_a_topic_can_be_used_as_soon_as_it_is_made(kafka: Kafka) -> None:
    """A new topic is laid out as asked for, and takes records at once."""
    name = kafka.name()

    topic = Cluster(kafka.address).create(name, partitions=3, config={"retention.ms": "60000"})
    kafka.send(name, [b"at once"], partition=2)

    assert (topic.partitions, topic.replication_factor, topic.internal, topic.has_leaders) == (3, 1, False, True)
    assert kafka.ends(name) == {0: 0, 1: 0, 2: 1}


def test_a_topic_is_not_made_twice(kafka: Kafka) -> None:
    """A second topic of the same name is refused, unless one that exists will do."""
    name, cluster = kafka.topic(2), Cluster(kafka.address)

    with pytest.raises(TopicExistsError, match=f"expected no topic '{name}' yet"):
        cluster.create(name, partitions=5)
    assert cluster.create(name, partitions=5, may_exist=True).partitions == 2


def test_what_a_cluster_refuses_is_told_in_its_words(kafka: Kafka) -> None:
    """More replicas than brokers, or a setting nobody knows, is an error in one line."""
    cluster = Cluster(kafka.address)

    with pytest.raises(BrokerError, match=r"replication factor of 3 cannot be reached"):
        cluster.create(kafka.name(), replication_factor=3)
    with pytest.raises(BrokerError, match=r"Unknown topic config name: no\.such"):
        cluster.create(kafka.name(), config={"no.such": "thing"})


def test_a_deleted_topic_is_gone(kafka: Kafka) -> None:
    """After a topic was deleted nobody sees it any more, and its name is free."""
    name, cluster = kafka.topic(), Cluster(kafka.address)
    kafka.send(name, [b"old"])

    cluster.delete([name])

    assert name not in cluster.topics()
    cluster.create(name)
    assert kafka.ends(name) == {0: 0}


def test_a_topic_that_is_not_there_is_named(kafka: Kafka) -> None:
    """Asking for, or deleting, an unknown topic says which, and deletes nothing."""
    known, unknown, cluster = kafka.topic(), kafka.name(), Cluster(kafka.address)

    with pytest.raises(UnknownTopicError, match=f"expected a topic '{unknown}'.*millstream topics create kafka://"):
        cluster.topic(unknown)
    with pytest.raises(UnknownTopicError, match=unknown):
        cluster.delete([known, unknown])
    assert known in cluster.topics()


def test_offsets_are_found_by_edge_and_by_time(kafka: Kafka) -> None:
    """The edges of each partition are known; a time finds the first record written since, or else the end."""
    name, cluster = kafka.topic(2), Cluster(kafka.address)
    kafka.send(name, [b"a", b"b", b"c"], partition=0)
    (written_ms,) = {message.timestamp()[1] for message in kafka.read(name) if message.value() == b"c"}

    def at(start: Edge | float) -> dict[int, int]:
        return cluster.offsets({name: 2}, start)[name]

    assert at(Edge.EARLIEST) == {0: 0, 1: 0}
    assert at(Edge.LATEST) == {0: 3, 1: 0}
    assert at(0.0) == {0: 0, 1: 0}
    assert at(written_ms / 1000)[0] <= 2
    assert at(written_ms / 1000 + 1000) == {0: 3, 1: 0}
    assert cluster.offsets({}, Edge.LATEST) == {}


def test_a_broker_that_is_not_there_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody listens at the address: the error says so and why, within seconds, and nothing else is written."""
    (port,) = free_ports(1)

    with pytest.raises(BrokerError, match=r"found none that answers \(Connection refused\); start it, or check"):
        Cluster(f"127.0.0.1:{port}").topics()
    assert capfd.readouterr() == ("", "")
