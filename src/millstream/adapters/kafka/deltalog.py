"""Stage 2's view of Kafka: all deltas, and transactions that carry results, state and positions.

Theory of operation: a merger leads (`leader.py`), then takes the transactional id, which ends what an earlier one left
open and shuts it out; only then it reads where the deltas were read up to and what the state is, so it misses nothing
and nothing is added behind its back. The last record of a topic may be a mark of a transaction, which readers never
see: the client's report that the end is reached says when the state is complete, not an offset that is waited for.
It assigns the delta partitions itself, all of them, and looks for new ones now and then and before a window ends.
"""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from millstream.adapters.kafka import start as starting
from millstream.adapters.kafka import topics as made
from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.leader import Leader
from millstream.adapters.kafka.patience import Patience, Tell, is_fatal, is_passing, service_error
from millstream.adapters.kafka.runs import runs, take, without_events
from millstream.adapters.kafka.topics import Topics
from millstream.adapters.kafka.transactions import Fault, Record, Transactions
from millstream.errors import BrokerError, DeltasLostError, FencedError, TransactionAbortedError, UnknownTopicError
from millstream.ports.framelog import DeltaRecord, Restored

MOST_DELTAS = 1_000
"""Records of one poll; some of them have 900 KB."""

_STATE_WAIT_S = 0.5
_LOOK_S = 2.0

_MARKS = 3
"""So many offsets after the last record that was read may be marks of its transaction, which retention deletes too."""


class KafkaDeltaLog:
    """A merger of a counting group; implements `DeltaLog`.

    `results` is a topic of the same brokers, since a transaction does not reach further. `stand_s` is how long `start`
    waits to become the active merger before it returns None. With `instance` a successor of that name leads at once
    after a crash, otherwise after the session time-out. `tell` takes a line for a person now and then.

    The constructor connects and makes the topics that are missing; it blocks for seconds at most, and raises
    BrokerError for a broker that does not answer or a topic that does not exist.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        results: str = "user-data",
        instance: str | None = None,
        stand_s: float = 5.0,
        tell: Tell = lambda _: None,
        fault: Fault | None = None,
    ) -> None:
        self._connection = connection
        self._results = results
        self._stand_s = stand_s
        self._tell = tell
        self._fault = fault
        self._patience = Patience(brokers=connection.brokers, tell=tell)
        self._topics = Topics(connection, patience=self._patience)
        self._partitions = self._topics.input_partitions(within_s=connection.answer_s)
        self._looked_at = time.monotonic()
        self._topics.ensure(connection.deltas, partitions=self._partitions, config=made.DELTAS)
        self._topics.ensure(connection.state, partitions=1, config=made.STATE)
        self._topics.ensure(results, partitions=1, config=made.RESULTS)
        self._leader = Leader(connection, instance=instance)
        self._term: int | None = None
        self._transactions: Transactions | None = None
        config = {**connection.consumer(connection.merger), "error_cb": self._patience.on_error}
        self._consumer = Consumer(config, logger=quiet_logger())
        self._next: dict[int, int] = {}
        self._closed = False

    def start(self) -> Restored | None:
        """See `DeltaLog`. Returns None after `stand_s` at most."""
        term = self._leader.stand(self._stand_s)
        if term is None:
            return None
        if self._transactions is None or term != self._term:
            self._fence()
            self._term = term
        state = self._read_state()
        return self._assign(state)

    def poll(self, timeout_s: float) -> Sequence[DeltaRecord]:
        """See `DeltaLog`. Nothing while another merger is active. Raises DeltaLog's errors and BrokerError."""
        try:
            return self._poll(timeout_s)
        except KafkaException as exception:
            raise service_error(exception, brokers=self._connection.brokers) from None

    def partitions(self) -> int:
        """See `DeltaLog`; asks the broker every few seconds, and keeps its answer meanwhile."""
        self._look_now_and_then()
        return self._partitions

    def look(self) -> bool:
        """See `DeltaLog`; waits for two seconds at most. Raises UnknownTopicError when the input was deleted."""
        self._looked_at = time.monotonic()
        try:
            found = self._topics.input_partitions(within_s=_LOOK_S)
            if found > self._partitions:
                self._topics.ensure(self._connection.deltas, partitions=found, config=made.DELTAS)
                self._read_new_partitions()
        except UnknownTopicError:
            raise
        except BrokerError as error:
            self._patience.silent(error.reason)
            return False
        except KafkaException as exception:
            raise service_error(exception, brokers=self._connection.brokers) from None
        self._partitions = found
        return True

    def commit(
        self,
        results: Sequence[tuple[str, bytes]],
        state: Sequence[tuple[str, bytes | None]],
        positions: Mapping[int, int],
    ) -> None:
        """See `DeltaLog`. Raises InvalidValueError for a record that is too long, before anything is written."""
        self._leader.check()
        if self._transactions is None or self._leader.term != self._term:
            raise TransactionAbortedError("another merger has the lead, so nothing is written by this one")
        records = [Record(self._results, value, key=key) for key, value in results]
        records += [Record(self._connection.state, value, key=key, partition=0) for key, value in state]
        self._transactions.commit(
            records,
            [TopicPartition(self._connection.deltas, each, offset) for each, offset in positions.items()],
            member=self._consumer.consumer_group_metadata(),
        )

    def give_up(self) -> None:
        """Wait no longer for a broker that does not answer; may be called from a signal handler."""
        self._patience.give_up()

    def close(self) -> None:
        """See `DeltaLog`."""
        if self._closed:
            return
        self._closed = True
        if self._transactions is not None:
            self._transactions.close()
            self._transactions = None
        self._consumer.close()
        self._leader.close()

    def _poll(self, timeout_s: float) -> Sequence[DeltaRecord]:
        self._leader.check()
        self._look_now_and_then()
        messages, _ = without_events(take(self._consumer, most=MOST_DELTAS, timeout_s=timeout_s), trouble=self._trouble)
        if messages:
            self._patience.answered()
        else:
            self._patience.look(lambda attempt_s: self._consumer.list_topics(timeout=attempt_s))
        found: list[DeltaRecord] = []
        for run in runs(messages, expected=self._next, end=lambda _: 0):
            found += [
                DeltaRecord(partition=run.partition, offset=offset, payload=value)
                for offset, value in zip(run.offsets, run.values, strict=True)
                if value is not None
            ]
        return found

    def _fence(self) -> None:
        if self._transactions is not None:
            self._transactions.close()
        self._transactions = Transactions(
            self._connection, transactional_id=self._connection.merger, patience=self._patience, fault=self._fault
        )
        self._transactions.fence()

    def _read_state(self) -> dict[str, bytes]:
        """The newest value of each key, read to the end as it is now, after fencing."""
        topic = self._connection.state
        reader = Consumer(self._connection.consumer(f"{topic}-reader"), logger=quiet_logger())
        state: dict[str, bytes] = {}
        try:
            low, end = starting.limits(reader, topic=topic, partition=0, patience=self._patience)
            reader.assign([TopicPartition(topic, 0, low)])
            reached = low
            while reached < end:
                self._leader.check()
                self._patience.check()
                messages = take(reader, most=MOST_DELTAS, timeout_s=_STATE_WAIT_S)
                records, ended = without_events(messages, trouble=self._trouble)
                for record in records:
                    _keep(state, record)
                reached = max(reached, ended.get(0, low))
        finally:
            reader.close()
        return state

    def _assign(self, state: Mapping[str, bytes]) -> Restored:
        topic = self._connection.deltas
        count = self._topics.partitions(topic)
        found = starting.committed(self._consumer, topic=topic, partitions=range(count), patience=self._patience)
        positions: dict[int, int] = {}
        ends: dict[int, int] = {}
        for partition, place in sorted(found.items()):
            low, ends[partition] = starting.limits(
                self._consumer, topic=topic, partition=partition, patience=self._patience
            )
            if starting.NOWHERE < place.offset < low - _MARKS:
                raise DeltasLostError(partition=partition, expected=place.offset, found=low)
            positions[partition] = max(place.offset, low)
        self._next = dict(positions)
        self._consumer.assign([TopicPartition(topic, each, offset) for each, offset in positions.items()])
        return Restored(state=state, positions=positions, ends=ends)

    def _look_now_and_then(self) -> None:
        """Look when it is time; a broker that is away is asked again next time."""
        if time.monotonic() >= self._looked_at + self._connection.discovery_s:
            self.look()

    def _read_new_partitions(self) -> None:
        if not self._next:
            return  # `start` will read all of them
        count = self._topics.partitions(self._connection.deltas, within_s=_LOOK_S)
        new = [each for each in range(count) if each not in self._next]
        if new:
            self._next.update(dict.fromkeys(new, 0))
            self._consumer.incremental_assign([TopicPartition(self._connection.deltas, each, 0) for each in new])

    def _trouble(self, error: KafkaError, message: Message) -> None:
        if is_fatal(error):
            raise FencedError(reason=error.str())
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the name librdkafka gives it
            raise BrokerError(
                brokers=self._connection.brokers,
                reason=f"{message.topic()}: what was to be read of partition {message.partition()} is no longer there",
                hint="count again under another --group",
            )
        if not is_passing(error):
            self._tell(f"{self._connection.url}: {error.str()}")


def _keep(state: dict[str, bytes], record: Message) -> None:
    key, value = record.key(), record.value()
    if key is None:
        return
    if value is None:
        state.pop(key.decode(), None)
    else:
        state[key.decode()] = value
