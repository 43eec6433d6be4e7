"""Both logs on a real broker obey their conformance suites."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from adapters.kafka.listening import connection
from millstream.adapters.kafka.deltalog import KafkaDeltaLog
from millstream.adapters.kafka.framelog import KafkaFrameLog
from millstream.testing.framelog_suite import DeltaLogSuite, FrameLogSuite
from servers.kafka import Kafka

pytestmark = pytest.mark.slow


class Topics:
    """A count of its own on the shared broker."""

    def __init__(self, kafka: Kafka, partitions: int) -> None:
        self.kafka = kafka
        self.partitions = partitions
        self.place = connection(kafka, kafka.topic(partitions))
        self.results_topic = f"{self.place.topic}-results"
        self.made: list[KafkaFrameLog | KafkaDeltaLog] = []

    def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        self.kafka.send(self.place.topic, values, partition=partition)

    def add_partition(self) -> None:
        self.partitions += 1
        self.kafka.extend(self.place.topic, self.partitions)

    def frames(self, *, slot: str = "0") -> KafkaFrameLog:
        self.made.append(log := KafkaFrameLog(self.place, transactional_id=f"{self.place.group}-{slot}"))
        return log

    def deltas(self) -> KafkaDeltaLog:
        self.made.append(log := KafkaDeltaLog(self.place, results=self.results_topic, stand_s=1.0))
        return log

    def results(self) -> list[tuple[str, bytes]]:
        return [((each.key() or b"").decode(), each.value() or b"") for each in self.kafka.read(self.results_topic)]

    def dead_letters(self) -> list[tuple[int, int, bytes | None]]:
        found = [(dict(each.headers() or []), each.value()) for each in self.kafka.read(self.place.rejects)]
        return [(int(headers["partition"]), int(headers["offset"]), value) for headers, value in found]


class TestKafkaFrameLog(FrameLogSuite):
    @pytest.fixture(autouse=True)
    def _broker(self, kafka: Kafka) -> None:
        self.kafka = kafka

    @contextmanager
    def deployment(self, *, partitions: int) -> Iterator[Topics]:
        topics = Topics(self.kafka, partitions)
        yield topics
        for log in topics.made:
            log.close()


class TestKafkaDeltaLog(DeltaLogSuite):
    @pytest.fixture(autouse=True)
    def _broker(self, kafka: Kafka) -> None:
        self.kafka = kafka

    @contextmanager
    def deployment(self, *, partitions: int) -> Iterator[Topics]:
        topics = Topics(self.kafka, partitions)
        yield topics
        for log in topics.made:
            log.close()
