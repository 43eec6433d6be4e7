"""A topic obeys the conformance suite of sinks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from adapters.kafka.committed import read_settled
from millstream.adapters.kafka.chunksink import KafkaChunkSink
from millstream.core.address import parse_address
from millstream.ports.sink import Published
from millstream.testing.sink_suite import Promises, SinkSuite
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


class Topic:
    """A topic of its own on the shared broker."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.address = parse_address(kafka.url(kafka.topic(2)))

    def sink(self) -> KafkaChunkSink:
        return KafkaChunkSink(self.address)

    def seen(self, committed: Sequence[Published]) -> list[bytes]:
        read = read_settled if committed else Kafka.read
        return [message.value() or b"" for message in read(self.kafka, self.address.topic)]


class TestKafkaChunkSink(SinkSuite):
    promises = Promises(whole=True, once=True)

    @pytest.fixture(autouse=True)
    def _broker(self, kafka: Kafka) -> None:
        self.kafka = kafka

    @contextmanager
    def outlet(self) -> Iterator[Topic]:
        yield Topic(self.kafka)
