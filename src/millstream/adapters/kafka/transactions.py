"""Records and positions that take effect together.

Theory of operation: a transaction begins and ends inside one call, so none is open while frames are read. A call that
a broker does not answer is repeated, which librdkafka resumes: the outcome of a commit whose answer is lost is asked
for again, not guessed. (Never with no time to wait at all: a call that ran out of time before the client had taken it
up is taken up twice, and the answers of its steps are mixed up; librdkafka 2.16.) Errors are of three kinds: passing
(repeat), those after which the transaction can be aborted (nothing happened; the caller starts again from what is
committed), and fatal ones (a successor has the transactional id, or the broker gave the transaction up: this process
cannot know, and ends).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from millstream.adapters.kafka.connection import RECORD_BYTES, Connection, quiet_logger
from millstream.adapters.kafka.patience import Patience, error_of
from millstream.errors import BrokerError, FencedError, InvalidValueError, TransactionAbortedError

Fault = Callable[[str], None]
"""Is told the name of a point that was reached; a test may end the process there."""

_FULL_QUEUE_S = 0.1
_ON_ITS_WAY_S = 0.001


class Record(NamedTuple):
    """One record to write; the partition is chosen by the key when it is -1."""

    topic: str
    value: bytes | None
    key: str | None = None
    partition: int = -1
    headers: Sequence[tuple[str, bytes]] = ()


class Transactions:
    """The writer of one transactional id.

    `fault` is told `after_produce` when the records are at the broker, `after_offsets` when the positions are,
    `after_commit_sent` when the commit is on its way and its outcome open, and `after_commit`.
    """

    def __init__(
        self, connection: Connection, *, transactional_id: str, patience: Patience, fault: Fault | None = None
    ) -> None:
        self._patience = patience
        self._fault = fault
        self._id = transactional_id
        self._producer = Producer(connection.producer(transactional_id), logger=quiet_logger())

    def fence(self, *, within_s: float | None = None) -> None:
        """End what earlier holders of the transactional id left open, and shut them out; once, before any commit.

        Raises BrokerError after `within_s` without an answer, FencedError if it is refused.
        """
        try:
            self._patience.ask(self._producer.init_transactions, within_s=within_s)
        except KafkaException as exception:
            raise FencedError(reason=f"{self._id}: {error_of(exception).str()}") from None

    def commit(self, records: Sequence[Record], positions: list[TopicPartition], *, member: Any) -> None:
        """Write the records and move the positions of the group that `member` is of.

        Raises TransactionAbortedError when nothing of it happened, FencedError when a successor took over or the
        outcome cannot be known, InvalidValueError for a record that is too long (nothing happened).
        """
        _check(records)
        try:
            self._producer.begin_transaction()
            self._produce(records)
            self._reached("after_produce", flush=True)
            if positions:
                self._ask(lambda attempt_s: self._producer.send_offsets_to_transaction(positions, member, attempt_s))
            self._reached("after_offsets")
            self._end()
        except KafkaException as exception:
            self._abort(error_of(exception))
        self._reached("after_commit")

    def sees(self, topic: str, *, partitions: int) -> None:
        """Wait until the writer knows that the topic has so many partitions."""
        while (
            len(self._patience.ask(lambda s: self._producer.list_topics(topic, s)).topics[topic].partitions)
            < partitions
        ):
            self._producer.poll(_FULL_QUEUE_S)

    def close(self) -> None:
        """Forget what is not committed; idempotent."""
        with suppress(KafkaException):  # it may have been shut out
            self._producer.purge()
            self._producer.poll(0)

    def _produce(self, records: Sequence[Record]) -> None:
        produce = self._producer.produce
        for topic, value, key, partition, headers in records:
            while True:
                try:
                    produce(topic, value=value, key=key, partition=partition, headers=list(headers))
                except BufferError:
                    self._producer.poll(_FULL_QUEUE_S)
                else:
                    break

    def _end(self) -> None:
        """Commit; with a fault in between, when the commit is on its way and its answer is not awaited."""
        if self._fault is None:
            self._ask(self._producer.commit_transaction)
            return
        with ThreadPoolExecutor(1) as committing:
            answer = committing.submit(self._ask, self._producer.commit_transaction)
            wait([answer], _ON_ITS_WAY_S)
            self._fault("after_commit_sent")
            answer.result()

    def _ask(self, call: Callable[[float], None]) -> None:
        try:
            self._patience.ask(call)
        except BrokerError as error:  # nobody waits any longer, and whether it was committed cannot be known
            raise FencedError(reason=str(error)) from None

    def _abort(self, error: KafkaError) -> None:
        if error.fatal():
            raise FencedError(reason=f"{self._id}: {error.str()}")
        try:
            self._ask(self._producer.abort_transaction)
        except KafkaException as exception:
            raise FencedError(reason=f"{self._id}: {error.str()}, then {error_of(exception).str()}") from None
        raise TransactionAbortedError(f"the transaction of {self._id} did not take place: {error.str()}")

    def _reached(self, point: str, *, flush: bool = False) -> None:
        if self._fault is not None:
            if flush:
                self._producer.flush()
            self._fault(point)


def _check(records: Sequence[Record]) -> None:
    for record in records:
        if record.value is not None and len(record.value) > RECORD_BYTES:
            raise InvalidValueError(
                name=f"a record for {record.topic}",
                expected=f"at most {RECORD_BYTES} bytes",
                found=f"{len(record.value)} bytes",
            )
