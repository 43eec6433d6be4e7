"""Real Kafka for tests: `kafka`, shared by the session, and `own_kafka`, which a test may kill, freeze and restart."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from dev import kafka as broker

from servers import own

LIMIT_S = 30.0


class Kafka:
    """A broker, with what tests do most."""

    def __init__(self, address: str) -> None:
        self.address = address
        """`127.0.0.1:PORT`."""

    def url(self, topic: str) -> str:
        """The topic as the command line takes it."""
        return f"kafka://{self.address}/{topic}"

    def name(self) -> str:
        """A name for a topic or a group that nobody else has."""
        return f"t{uuid.uuid4().hex[:12]}"

    def topic(self, partitions: int = 1, *, name: str | None = None, config: Mapping[str, str] | None = None) -> str:
        """Make a topic and wait until it can be used; returns its name, which is unique unless given."""
        name = name or self.name()
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin = self.admin()
        admin.create_topics([new])[name].result(LIMIT_S)
        _wait_for_leaders(admin, name, partitions)
        return name

    def extend(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions, so many in all, and wait until they can be used."""
        admin = self.admin()
        admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(LIMIT_S)
        _wait_for_leaders(admin, topic, partitions)

    def admin(self) -> AdminClient:
        """A client for administration; keep it until its futures are done, or they fail."""
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def send(self, topic: str, values: Sequence[bytes | None], *, partition: int = 0, key: str | None = None) -> None:
        """Write values to a partition and wait until they are there."""
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 1, "log_level": 0})
        errors: list[KafkaError] = []
        for value in values:
            producer.produce(
                topic, value=value, key=key, partition=partition, on_delivery=lambda error, _: errors.append(error)
            )
        assert producer.flush(LIMIT_S) == 0
        assert [*filter(None, errors)] == []

    def read(self, topic: str, *, isolation: str = "read_committed") -> list[Message]:
        """All records of a topic up to its end as of now, partition by partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": self.name(),
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": isolation,
                "log_level": 0,
            }
        )
        try:
            partitions = sorted(consumer.list_topics(topic, timeout=LIMIT_S).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
            return sorted(_to_the_end(consumer, partitions), key=lambda each: (each.partition(), each.offset()))
        finally:
            consumer.close()

    def ends(self, topic: str) -> dict[int, int]:
        """The end offset of each partition."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": self.name(), "log_level": 0})
        try:
            partitions = sorted(consumer.list_topics(topic, timeout=LIMIT_S).topics[topic].partitions)
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=LIMIT_S)[1] for p in partitions}
        finally:
            consumer.close()


class OwnKafka(own.Own, Kafka):
    """A broker of a test's own."""

    server = broker


@pytest.fixture(scope="session")
def kafka() -> Kafka:
    """The broker that all tests of the session share; use topics of your own."""
    return Kafka(own.shared(broker).address)


@pytest.fixture
def own_kafka() -> Iterator[OwnKafka]:
    """A broker of the test's own, which it may kill."""
    yield from own.lent(OwnKafka)


def _wait_for_leaders(admin: AdminClient, topic: str, partitions: int) -> None:
    """What was just made is not there for everybody who asks."""
    until = time.monotonic() + LIMIT_S
    while True:
        found = admin.list_topics(timeout=LIMIT_S).topics.get(topic)
        leaders = [] if found is None else [each.leader for each in found.partitions.values()]
        if len(leaders) == partitions and min(leaders) >= 0:
            return
        assert time.monotonic() < until, f"{topic} has no leaders"


def _to_the_end(consumer: Consumer, partitions: Sequence[int]) -> Iterator[Message]:
    """Read until each partition has reported its end."""
    open_partitions = set(partitions)
    until = time.monotonic() + LIMIT_S
    while open_partitions:
        assert time.monotonic() < until, f"no end of partitions {sorted(open_partitions)}"
        for message in consumer.consume(1000, timeout=0.2):
            error = message.error()
            if error is None:
                yield message
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_partitions.discard(message.partition())
