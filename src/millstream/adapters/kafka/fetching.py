"""Reads single records again, for dead letters.

Theory of operation: a reader of its own, so that the main one keeps its place. Offsets that lie close together are
read through in one go, far ones are jumped to. An offset may be gone (retention) or may never have been a record that
readers see (aborted, or a mark of a transaction): the next offset that arrives, or the end of the partition, says so.
"""

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.runs import take

_NEAR = 500
"""Offsets that are read through rather than jumped over; about what one small fetch brings."""

_FETCH_BYTES = 256 << 10
_WAIT_S = 0.5


class Fetcher:
    """A second reader of the input that belongs to no group."""

    def __init__(self, connection: Connection) -> None:
        self._topic = connection.topic
        config = connection.consumer(f"{connection.group}-fetch")
        self._consumer = Consumer(
            {
                **config,
                "auto.offset.reset": "earliest",  # what is before the first record is gone
                "fetch.message.max.bytes": _FETCH_BYTES,
                "queued.min.messages": _NEAR,
            },
            logger=quiet_logger(),
        )

    def fetch(self, partition: int, offsets: Sequence[int], *, within_s: float) -> dict[int, bytes | None]:
        """The values at these offsets as far as they are there, or as far as `within_s` seconds reach."""
        until = time.monotonic() + within_s
        found: dict[int, bytes | None] = {}
        try:
            for group in _near(sorted(set(offsets))):
                found.update(self._read(partition, group, until))
        finally:
            self._consumer.unassign()
        return found

    def close(self) -> None:
        """Close the reader."""
        self._consumer.close()

    def _read(self, partition: int, wanted: list[int], until: float) -> Iterator[tuple[int, bytes | None]]:
        self._consumer.assign([TopicPartition(self._topic, partition, wanted[0])])
        missing, last = set(wanted), wanted[-1]
        while missing and time.monotonic() < until:
            for message in take(self._consumer, most=_NEAR, timeout_s=_wait_s(until)):
                error = message.error()
                if error is None:
                    offset = _offset(message)
                    if offset in missing:
                        missing.discard(offset)
                        yield offset, message.value()
                    if offset >= last or offset < wanted[0]:  # the latter: beyond the end, and put back to the start
                        return
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the name librdkafka gives it
                    return


def _near(offsets: list[int]) -> Iterator[list[int]]:
    """Cut where two neighbours are far apart."""
    group: list[int] = []
    for offset in offsets:
        if group and offset - group[-1] > _NEAR:
            yield group
            group = []
        group.append(offset)
    if group:
        yield group


def _wait_s(until: float) -> float:
    return max(0.0, min(_WAIT_S, until - time.monotonic()))


def _offset(message: Message) -> int:
    offset = message.offset()
    return -1 if offset is None else offset
