"""Reads a topic from some place on, for showing it: no group, nothing is committed.

Theory of operation: all partitions are assigned by hand, each at its own offset. The client tells whenever it reaches
the end of one, which is how `is_caught_up` knows; the end is that of committed records.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from millstream.adapters.kafka.admin import Cluster
from millstream.adapters.kafka.client import Complaints, broker_error, settings, translated
from millstream.adapters.kafka.connection import quiet_logger
from millstream.core.address import TopicAddress
from millstream.core.moment import Start

_AT_ONCE = 10_000
_PASSING = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - the only names they have
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; `value` is None for a tombstone."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int


class TopicReader:
    """Reads committed records of all partitions that the topic has now, from `start` on; used by one thread.

    Raises UnknownTopicError or BrokerError. A broker that goes away later is waited for: `trouble` says so meanwhile.
    """

    def __init__(self, address: TopicAddress, *, start: Start) -> None:
        self._address = address
        cluster = Cluster(address.brokers)
        topic = cluster.topic(address.topic)
        offsets = cluster.offsets({topic.name: topic.partitions}, start)[topic.name]
        self._behind = set(offsets)
        self._complaints = Complaints()
        with translated(address.brokers, self._complaints):
            self._consumer = Consumer(
                settings(
                    address.brokers,
                    self._complaints,
                    group_id=f"millstream-reader-{uuid.uuid4().hex}",  # the client insists on one; it is never used
                    enable_auto_commit=False,
                    enable_partition_eof=True,
                    isolation_level="read_committed",
                    auto_offset_reset="earliest",  # where retention deleted records since
                ),
                logger=quiet_logger(),
            )
            self._consumer.assign([TopicPartition(topic.name, each, offset) for each, offset in offsets.items()])

    @property
    def is_caught_up(self) -> bool:
        """Whether every partition was read up to its end at least once."""
        return not self._behind

    @property
    def trouble(self) -> str:
        """Why the broker does not answer at the moment, or nothing."""
        return self._complaints.trouble

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """What has arrived, at once when something has; nothing after `timeout_s`."""
        with translated(self._address.brokers, self._complaints):
            first = self._consumer.poll(timeout_s)
            # With a timeout, `consume` would wait for that long even when there is something.
            messages = [] if first is None else [first, *self._consumer.consume(_AT_ONCE, timeout=0)]
        return [record for message in messages if (record := self._record(message)) is not None]

    def close(self) -> None:
        """Stop reading; idempotent."""
        self._consumer.close()

    def _record(self, message: Message) -> Record | None:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is None:
            key, value = message.key(), message.value()
            return Record(key=key, value=value, partition=partition or 0, offset=offset or 0)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the only name it has
            self._behind.discard(-1 if partition is None else partition)
        elif error.code() not in _PASSING:
            raise broker_error(error, brokers=self._address.brokers, complaints=self._complaints)
        return None
