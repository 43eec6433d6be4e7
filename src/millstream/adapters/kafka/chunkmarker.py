"""The marker of a chunk: how a later attempt learns that an earlier one was committed.

Theory of operation: each chunk has a consumer group of its own, which never has members. Its position in partition 0
of the output topic is moved in the transaction that writes the records, so it is there if and only if they are; what
was published is noted beside it. To read it takes one request, whatever is in the topic. Right after a commit the
broker may call it unstable for some milliseconds; then it is asked again. The broker forgets it with its other
positions (`offsets.retention.minutes`, a week unless it was changed), so that is how long an attempt may be behind the
one before.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined] # it is documented

from millstream.adapters.kafka.client import ANSWER_LIMIT_S, Complaints, broker_error, settings, translated
from millstream.adapters.kafka.connection import quiet_logger
from millstream.adapters.kafka.patience import Patience, error_of, is_passing
from millstream.core.address import TopicAddress

DEFAULT_RECORD_BYTES = 1_000_000
"""What a topic takes when its settings cannot be read."""
RECONNECT_MS = 10
"""With this, and connections to all brokers at once, a client is ready in 10 ms; with its defaults in up to 500."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What was published of a chunk: so many records, the first and last number (-1 of none), and bytes."""

    records: int
    first: int
    last: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What moves the marker inside of a transaction: positions, and the group that they are of."""

    positions: list[TopicPartition]
    member: Any


def group_of(batch_id: str) -> str:
    """The consumer group that is the marker of a chunk."""
    return f"millstream-chunk-{batch_id}"


class MarkerReader:
    """Reads and sets the marker of one chunk; used by one thread. Raises BrokerError.

    The client for administration could ask for any group, but takes the process down with it (librdkafka 2.16) when the
    group's coordinator is just coming up; so each chunk has a consumer, which consumes nothing.
    """

    def __init__(self, address: TopicAddress, *, batch_id: str, limit_s: float) -> None:
        self._address = address
        self._limit_s = limit_s
        self._complaints = Complaints()
        self._patience = Patience(brokers=address.brokers, tell=say_nothing)
        with translated(address.brokers, self._complaints):
            self._consumer = Consumer(self._settings(batch_id), logger=quiet_logger())

    def read(self) -> Marker | None:
        """The marker; waits while a transaction with it is being ended."""
        place = TopicPartition(self._address.topic, 0)
        with translated(self._address.brokers, self._complaints):
            (found,) = self._patience.ask(lambda s: self._committed(place, s), within_s=self._limit_s)
        return msgspec.json.decode(found.metadata, type=Marker) if found.metadata else None

    def mark(self, marker: Marker) -> Marked:
        """What to hand to a transaction so that it sets the marker."""
        text = msgspec.json.encode(marker).decode()
        position = TopicPartition(self._address.topic, 0, marker.records + 1, metadata=text)
        return Marked(positions=[position], member=self._consumer.consumer_group_metadata())

    def close(self) -> None:
        """Let go of it; idempotent."""
        self._consumer.close()

    def _committed(self, place: TopicPartition, limit_s: float) -> list[TopicPartition]:
        found = self._consumer.committed([place], limit_s)
        if found[0].error is not None:
            raise KafkaException(found[0].error)
        return found

    def _settings(self, batch_id: str) -> dict[str, Any]:
        return settings(
            self._address.brokers,
            self._complaints,
            **{"reconnect.backoff.ms": RECONNECT_MS, "enable.sparse.connections": False},
            socket_timeout_ms=round(self._limit_s * 1000),
            group_id=group_of(batch_id),
            isolation_level="read_committed",  # it asks for what is settled
            enable_auto_commit=False,
        )


def longest_record(address: TopicAddress, *, limit_s: float) -> int:
    """How many bytes a record of the topic may have; raises BrokerError."""
    complaints = Complaints()
    with translated(address.brokers, complaints):
        admin = AdminClient(settings(address.brokers, complaints), logger=quiet_logger())
    resource = ConfigResource(ConfigResource.Type.TOPIC, address.topic)
    (future,) = admin.describe_configs([resource], request_timeout=ANSWER_LIMIT_S).values()
    try:
        return int(future.result(limit_s)["max.message.bytes"].value)
    except KafkaException as exception:
        error = error_of(exception)
        if is_passing(error):
            raise broker_error(error, brokers=address.brokers, complaints=complaints) from None
        return DEFAULT_RECORD_BYTES  # not everybody may read settings


def say_nothing(_line: str) -> None:
    """Whoever runs the attempt tells what it waits for."""
