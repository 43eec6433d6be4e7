"""Deleting the markers of chunks."""

import asyncio
from dataclasses import replace

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from millstream.adapters.kafka.chunkmarker import group_of
from millstream.adapters.kafka.chunksink import KafkaChunkSink
from millstream.adapters.kafka.forgetting import forget_markers
from millstream.core.address import parse_address
from millstream.errors import BrokerError
from millstream.testing.sink_suite import publication, publish
from millstream.wiring import markers
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


def has_marker(admin: AdminClient, batch_id: str) -> bool:
    """Whether the broker has a position of a chunk's group."""
    (answer,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group_of(batch_id))]).values()
    return bool(answer.result(30).topic_partitions)


def test_markers_are_deleted_and_others_stay(kafka: Kafka) -> None:
    """Those that are named go, one that is not there is fine, and records and other markers are left alone."""
    topic, admin = kafka.topic(), kafka.admin()
    sink = KafkaChunkSink(parse_address(kafka.url(topic)))
    prefix = kafka.name()
    done = [replace(publication(seq), message_id=prefix, batch_id=f"{prefix}-{seq:06d}") for seq in range(3)]
    for each in done:
        publish(sink, each)
    ids = [each.batch_id for each in done]
    before = [has_marker(admin, batch_id) for batch_id in ids]
    records = len(kafka.read(topic))

    asyncio.run(markers.forget_markers(kafka.url(topic), [*ids[:2], f"{prefix}-none"]))

    assert before == [True, True, True]
    assert [has_marker(admin, batch_id) for batch_id in ids] == [False, False, True]
    assert len(kafka.read(topic)) == records > 0
    assert forget_markers(kafka.address, ids) == 0


def test_a_broker_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for it for long, and no process is left behind."""
    monkeypatch.setattr(markers, "LIMIT_S", 2.0)
    with pytest.raises(BrokerError, match=r"not all was deleted within 2 s|could not be deleted"):
        asyncio.run(markers.forget_markers("kafka://127.0.0.1:1/t", ["m-000000"]))
