"""The topics that a counting group makes for itself.

Theory of operation: whoever needs a topic makes it, unless it is there; two that try at once do no harm. No topic
loses records that are still needed: deltas live for a week at least, state and results are compacted, so the newest
record of each key stays for good whatever its time. Records are stamped when they are written.
"""

from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.patience import Patience, error_of
from millstream.errors import BrokerError, UnknownTopicError

_TOPIC_BYTES = 2 << 20
_WEEK_MS = 7 * 24 * 3600 * 1000

DELTAS = {"cleanup.policy": "delete", "retention.ms": str(_WEEK_MS), "retention.bytes": "-1"}
STATE = {"cleanup.policy": "compact", "segment.bytes": str(32 << 20), "min.cleanable.dirty.ratio": "0.2"}
RESULTS = {"cleanup.policy": "compact"}
DEAD_LETTERS = {"cleanup.policy": "delete", "retention.ms": str(4 * _WEEK_MS)}


class Topics:
    """Looks topics up, makes and extends them."""

    def __init__(self, connection: Connection, *, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self._admin = AdminClient(connection.client(), logger=quiet_logger())

    def input_partitions(self, *, within_s: float | None = None) -> int:
        """How many partitions the input has. Raises UnknownTopicError, or BrokerError if none answers in time."""
        count = self.partitions(self._connection.topic, within_s=within_s)
        if count == 0:
            raise UnknownTopicError(brokers=self._connection.brokers, topic=self._connection.topic)
        return count

    def partitions(self, topic: str, *, within_s: float | None = None) -> int:
        """How many partitions a topic has, 0 if it does not exist."""
        found = self._patience.ask(lambda attempt_s: self._admin.list_topics(timeout=attempt_s), within_s=within_s)
        return len(found.topics[topic].partitions) if topic in found.topics else 0

    def ensure(self, topic: str, *, partitions: int, config: Mapping[str, str]) -> None:
        """Make the topic, or give it as many partitions as it lacks; never fewer."""
        there = self.partitions(topic)
        if there == 0:
            self._create(topic, partitions, config)
        elif there < partitions:
            self._extend(topic, partitions)

    def _create(self, topic: str, partitions: int, config: Mapping[str, str]) -> None:
        new = NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=-1,  # as the broker has it
            config={"max.message.bytes": str(_TOPIC_BYTES), **config},
        )
        self._change(
            lambda attempt_s: self._admin.create_topics([new], request_timeout=attempt_s)[topic].result(),
            topic=topic,
            fine=KafkaError.TOPIC_ALREADY_EXISTS,
        )

    def _extend(self, topic: str, partitions: int) -> None:
        more = NewPartitions(topic, partitions)
        self._change(
            lambda attempt_s: self._admin.create_partitions([more], request_timeout=attempt_s)[topic].result(),
            topic=topic,
            fine=KafkaError.INVALID_PARTITIONS,  # somebody else was faster
        )

    def _change(self, call: Callable[[float], object], *, topic: str, fine: int) -> None:
        try:
            self._patience.ask(call)
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() != fine:
                raise BrokerError(
                    brokers=self._connection.brokers,
                    reason=f"the topic {topic!r} cannot be made or extended: {error.str()}",
                    hint="make it by hand, or ask for the right to",
                ) from None
