"""A reader of results that sees what was committed, in the order of writing, and checks it."""

import json
from collections import defaultdict
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, TopicPartition

from servers.kafka import Kafka

PASSING = {KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}


class Results:
    """All records of a topic with one partition, as they come."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.records: list[dict] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.address,
                "group.id": kafka.name(),
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "log_level": 0,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._consumer.assign([TopicPartition(topic, 0, 0)])

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def read(self, timeout_s: float = 0.05) -> None:
        """Take what has come."""
        for message in self._consumer.consume(1000, timeout=timeout_s):
            error = message.error()
            if error is None:
                self.records.append(json.loads(message.value()))
            else:
                assert error.code() in PASSING, error

    def newest(self) -> dict[str, dict]:
        """The last result of each window so far."""
        return {key_of(record): record for record in self.records}

    def differences(self, wanted: Mapping[str, tuple[int, int]]) -> dict[str, object]:
        """The windows whose last result is not what was counted by hand: users and frames."""
        newest = self.newest()
        found = {key: (newest[key]["users"], newest[key]["frames"]) for key in wanted if key in newest}
        return {key: (wanted[key], newest.get(key)) for key in wanted if found.get(key) != wanted[key]}

    def check_history(self) -> None:
        """Revisions of a window go up, and nothing follows a final one."""
        history: dict[str, list[dict]] = defaultdict(list)
        for record in self.records:
            history[key_of(record)].append(record)
        for records in history.values():
            revisions = [record["revision"] for record in records]
            assert revisions == sorted(set(revisions)), records
            assert "final" not in [record["status"] for record in records[:-1]], records
            assert all(record["low"] <= record["users"] <= record["high"] for record in records), records


def key_of(record: Mapping[str, object]) -> str:
    """How the window of a result is called."""
    return f"{record['by']}:{record['start']}"
