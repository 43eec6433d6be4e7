"""Waits until the transactions of a topic have ended: a broker tells of a commit before readers see it."""

import time

from confluent_kafka import IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from servers.kafka import LIMIT_S, Kafka


def read_settled(kafka: Kafka, topic: str) -> list[Message]:
    """All committed records, once no transaction is open."""
    until = time.monotonic() + LIMIT_S
    while _ends(kafka, topic, IsolationLevel.READ_COMMITTED) != _ends(kafka, topic, IsolationLevel.READ_UNCOMMITTED):
        assert time.monotonic() < until, f"a transaction of {topic} stays open"
    return kafka.read(topic)


def _ends(kafka: Kafka, topic: str, isolation: IsolationLevel) -> list[int]:
    admin = kafka.admin()
    places = [TopicPartition(topic, each) for each in sorted(kafka.ends(topic))]
    asked = admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), isolation_level=isolation)
    return [asked[place].result(LIMIT_S).offset for place in places]
