"""Pauses of a real consumer, whose client keeps them longer than a share of the partitions lasts."""

import pytest

pytest.importorskip("confluent_kafka")

from adapters.kafka.listening import Share, connection, poll
from millstream.adapters.kafka.framelog import KafkaFrameLog
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


def test_a_paused_partition_is_read_again_after_another_worker_came_and_went(kafka: Kafka) -> None:
    """A pause ends with the assignment: what is assigned anew is read, or it would be silent for ever."""
    topic = kafka.topic(2)
    place = connection(kafka, topic)
    kafka.send(topic, [b"a"], partition=0)
    kafka.send(topic, [b"a"], partition=1)
    first, share = KafkaFrameLog(place, transactional_id=f"{place.group}-1"), Share()
    poll(first, share, lambda: len(share.ends) == 2)
    first.pause([0, 1])

    second, other = KafkaFrameLog(place, transactional_id=f"{place.group}-2"), Share()
    try:
        while not (other.ends and len(share.bookmarks) == 1):
            share.take(first.poll(0.1, share))
            other.take(second.poll(0.1, other))
        second.close()
        kafka.send(topic, [b"b"], partition=0)
        kafka.send(topic, [b"b"], partition=1)
        poll(first, share, lambda: len(share.bookmarks) == 2 and all(b"b" in share.values[each] for each in (0, 1)))
    finally:
        second.close()
        first.close()

    assert share.told[-1] == ("assigned", [0, 1])
