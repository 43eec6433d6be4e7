"""Stage 1's view of Kafka: a share of the input, and transactions that carry deltas, dead letters and positions.

Theory of operation: one consumer in a group of classic, eager rebalances (`range`): when the share changes, everything
is given up and handed out again, and what a worker may still commit it commits inside of that. A worker's state is
only a cache and its clocks travel in the notes, so an eager rebalance costs a few milliseconds and some hashes sent
twice; incremental ones would save that, but have lost assignments on errors of a generation in many versions of the
client. Rebalances happen inside `poll` and only there.

A transaction carries the membership under which the share was assigned, so the broker refuses it once the share went
to somebody else. (Not the membership of the moment: a client that was thrown out has none for a while, and a broker
takes positions from one who claims none.) It does so only if the transaction moves a position; so a commit that moves
none of a partition repeats the one that is committed. After an aborted transaction every partition goes back to what
is committed, with `seek`, since an assignment must not be changed while the group is changing it. Every change of the
share is answered here: what the client does instead asks its own thread more, while it holds the interpreter, and a
client that is being closed may have nobody left who answers (librdkafka, issues 4041 and 4884).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from millstream.adapters.kafka import start as starting
from millstream.adapters.kafka import topics as made
from millstream.adapters.kafka.carrying import check_note, copy_of
from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.fetching import Fetcher
from millstream.adapters.kafka.patience import Patience, Tell, is_fatal, is_passing, service_error
from millstream.adapters.kafka.runs import follow, runs, take, without_events
from millstream.adapters.kafka.start import FRESH, first_left
from millstream.adapters.kafka.topics import Topics
from millstream.adapters.kafka.transactions import Fault, Record, Transactions
from millstream.core.moment import Start
from millstream.errors import BrokerError, FencedError, TransactionAbortedError
from millstream.ports.framelog import Bookmark, CaughtUp, DeadLetter, Rebalanced, Run

MOST_FRAMES = 2_048
"""Frames of one poll: few enough to stay in the processor's cache, many enough to share the cost of the call."""

_POLL_LIMIT_MS = 300_000
_FETCH_S = 10.0


class KafkaFrameLog:
    """A worker of a counting group; implements `FrameLog`.

    `transactional_id` must be the same for the successor of this worker and different for every other one: it shuts
    the predecessor out, and ends what that left open. With `instance` the successor gets the predecessor's partitions
    at once, too, instead of after the session time-out; but then partitions of a worker that leaves for good wait for
    that time-out. `start` is for a group that has not read the topic;
    without it, it begins at the first record that is left. `tell` takes a line for a person now and then.

    The constructor connects and makes the topics that are missing; it blocks for seconds at most, and raises
    BrokerError for a broker that does not answer or a topic that does not exist.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        transactional_id: str,
        start: Start | None = None,
        dead_letters: str | None = None,
        instance: str | None = None,
        tell: Tell = lambda _: None,
        fault: Fault | None = None,
    ) -> None:
        self._connection = connection
        self._topic = connection.topic
        self._dead_letters = dead_letters or connection.rejects
        self._tell = tell
        self._patience = Patience(brokers=connection.brokers, tell=tell)
        self._topics = Topics(connection, patience=self._patience)
        partitions = self._topics.input_partitions(within_s=connection.answer_s)
        self._ensure_topics(partitions)
        self._transactions = Transactions(
            connection, transactional_id=transactional_id, patience=self._patience, fault=fault
        )
        self._transactions.fence()  # before any position is read
        self._consumer = Consumer(self._config(instance), logger=quiet_logger())
        self._fetcher: Fetcher | None = None
        self._member: object = None
        self._next: dict[int, int] = {}  # what comes next of each partition that is ours
        self._committed: dict[int, Bookmark] = {}
        self._paused: set[int] = set()
        self._changes = 0  # of the share
        self._rewinds = False
        self._closed = False
        self._failure: Exception | None = None
        self._listener: Rebalanced | None = None
        self._join(partitions, start=start)

    def poll(self, timeout_s: float, rebalanced: Rebalanced) -> Sequence[Run | CaughtUp]:
        """See `FrameLog`. Waits for a broker that is away, in steps of `timeout_s`.

        Pauses end when partitions are assigned again. Raises BrokerError when the topic is gone, or shorter than what
        was read of it; and what `rebalanced` raises.
        """
        self._listener = rebalanced
        try:
            return self._poll(timeout_s)
        except KafkaException as exception:
            raise service_error(exception, brokers=self._connection.brokers) from None
        finally:
            self._listener = None

    def commit(
        self,
        deltas: Sequence[tuple[int, bytes]],
        bookmarks: Mapping[int, Bookmark],
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        """See `FrameLog`. Raises InvalidValueError for a note that is too long, before anything is written."""
        for partition, bookmark in bookmarks.items():
            check_note(partition, bookmark.note)
        touched = {partition for partition, _ in deltas} | {each.partition for each in dead_letters} | set(bookmarks)
        if not touched:
            return
        if self._rewinds or not touched <= self._next.keys():
            self._rewinds = True
            raise TransactionAbortedError(f"of partitions {sorted(touched)} some are not, or no longer, this worker's")
        moved = {each: bookmarks.get(each) or self._committed[each] for each in touched}
        records = [Record(self._connection.deltas, payload, partition=each) for each, payload in deltas]
        records += [copy_of(each, source=self._topic, topic=self._dead_letters) for each in dead_letters]
        try:
            self._transactions.commit(
                records,
                [TopicPartition(self._topic, each, mark.offset, metadata=mark.note) for each, mark in moved.items()],
                member=self._member,
            )
        except TransactionAbortedError:
            self._rewinds = True
            raise
        self._committed.update(moved)

    def fetch(self, partition: int, offsets: Sequence[int]) -> Mapping[int, bytes | None]:
        """See `FrameLog`; takes ten seconds at most, and leaves out what was not found by then."""
        if self._fetcher is None:
            self._fetcher = Fetcher(self._connection)
        return self._fetcher.fetch(partition, offsets, within_s=_FETCH_S)

    def pause(self, partitions: Sequence[int]) -> None:
        """See `FrameLog`. What was read ahead of a paused partition is fetched again later."""
        wanted = set(partitions) & self._next.keys()
        with suppress(KafkaException):  # a partition that was lost a moment ago
            self._consumer.pause(self._places(wanted - self._paused))
            self._consumer.resume(self._places(self._paused - wanted))
        self._paused = wanted

    def give_up(self) -> None:
        """Wait no longer for a broker that does not answer; may be called from a signal handler."""
        self._patience.give_up()

    def close(self) -> None:
        """See `FrameLog`."""
        if self._closed:
            return
        self._closed = True
        self._next = {}
        self._consumer.close()
        self._transactions.close()
        if self._fetcher is not None:
            self._fetcher.close()

    def _config(self, instance: str | None) -> dict[str, object]:
        config = {
            **self._connection.bulk_consumer(self._connection.group),
            "partition.assignment.strategy": "range",
            "max.poll.interval.ms": _POLL_LIMIT_MS,
            "error_cb": self._patience.on_error,
        }
        return config if instance is None else {**config, "group.instance.id": instance}

    def _join(self, partitions: int, *, start: Start | None) -> None:
        """Settle where the group begins, if it has not read the topic, and ask for a share."""
        starting.settle(
            self._consumer,
            topic=self._topic,
            partitions=partitions,
            group=self._connection.group,
            start=start,
            patience=self._patience,
            tell=self._tell,
        )
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _ensure_topics(self, partitions: int) -> None:
        self._topics.ensure(self._connection.deltas, partitions=partitions, config=made.DELTAS)
        self._topics.ensure(self._dead_letters, partitions=1, config=made.DEAD_LETTERS)

    def _poll(self, timeout_s: float) -> Sequence[Run | CaughtUp]:
        if self._rewinds:
            self._rewind()
        changes = self._changes
        messages = take(self._consumer, most=MOST_FRAMES, timeout_s=timeout_s)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._rewinds:
            return ()  # a commit inside of a rebalance was aborted: none of this may be counted
        if not messages:
            self._patience.look(lambda attempt_s: self._consumer.list_topics(self._topic, timeout=attempt_s))
            return ()
        return self._read(messages, is_new_share=changes != self._changes)

    def _read(self, messages: list[Message], *, is_new_share: bool) -> Sequence[Run | CaughtUp]:
        records, ended = without_events(messages, trouble=self._trouble)
        if is_new_share and not follow(records, expected=self._next):
            self._rewinds = True  # some of them may be from before, though most clients sort those out
            return ()
        found: list[Run | CaughtUp] = list(runs(records, expected=self._next, end=self._end))
        for partition, end in ended.items():
            if partition in self._next:
                self._next[partition] = max(self._next[partition], end)
                found.append(CaughtUp(partition=partition, end=end))
        if found:
            self._patience.answered()
        return found

    def _end(self, partition: int) -> int:
        """The end of the partition as of the last fetch; asks nobody."""
        return int(self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)[1])

    def _on_assign(self, _consumer: Consumer, assigned: list[TopicPartition]) -> None:
        if self._closed:
            self._consumer.unassign()
            return
        try:
            self._member = self._consumer.consumer_group_metadata()
            bookmarks = self._own(sorted(each.partition for each in assigned))
            places = self._places(self._next)
            self._consumer.assign(places)
            self._consumer.resume(places)  # a pause outlives the assignment that it was made in
            self._tell_assigned(bookmarks)
        except Exception as error:  # noqa: BLE001 - the border to the client, which must not see it; `poll` raises it
            self._failure = error

    def _on_revoke(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._give_away([each.partition for each in revoked], are_lost=False)

    def _on_lost(self, _consumer: Consumer, lost: list[TopicPartition]) -> None:
        self._give_away([each.partition for each in lost], are_lost=True)

    def _give_away(self, partitions: list[int], *, are_lost: bool) -> None:
        self._changes += 1
        gone = sorted(self._next.keys() & set(partitions))
        try:
            if self._listener is not None and gone:
                if are_lost:
                    self._listener.lost(gone)
                else:
                    self._listener.revoked(gone)
        except Exception as error:  # noqa: BLE001 - the border to the client, which must not see it; `poll` raises it
            self._failure = error
        for partition in gone:
            del self._next[partition]
            self._committed.pop(partition, None)
        self._paused -= set(gone)
        self._consumer.unassign()

    def _own(self, partitions: list[int]) -> dict[int, Bookmark | None]:
        """Take partitions over: where each begins, and its bookmark for the listener."""
        if partitions:
            self._ensure_topics(partitions[-1] + 1)
            self._transactions.sees(self._connection.deltas, partitions=partitions[-1] + 1)
        self._changes += 1
        self._rewinds = False
        self._paused = set()
        found = starting.positions(self._consumer, topic=self._topic, partitions=partitions, patience=self._patience)
        self._committed = {each: Bookmark(offset=at.offset, note=at.metadata or "") for each, at in found.items()}
        self._next = {each: mark.offset for each, mark in self._committed.items()}
        return {each: None if mark.note == FRESH else mark for each, mark in self._committed.items()}

    def _rewind(self) -> None:
        """Go back to what is committed, and tell the listener as if it were new."""
        paused = self._paused
        bookmarks = self._own(sorted(self._next))
        try:
            self._consumer.resume(self._places(paused))
            for place in self._places(self._next):
                self._consumer.seek(place)
        except KafkaException:  # one that is not being read just now cannot be moved
            self._consumer.assign(self._places(self._next))
        self._tell_assigned(bookmarks)

    def _tell_assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        if self._listener is not None:
            self._listener.assigned(bookmarks)

    def _places(self, partitions: Mapping[int, int] | set[int]) -> list[TopicPartition]:
        """Partitions at what comes next of each."""
        return [TopicPartition(self._topic, each, self._next.get(each, 0)) for each in sorted(partitions)]

    def _trouble(self, error: KafkaError, message: Message) -> None:
        if is_fatal(error):
            raise FencedError(reason=error.str())
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the name librdkafka gives it
            self._skip_what_is_gone(message)
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
            raise BrokerError(
                brokers=self._connection.brokers, reason=f"{self._topic}: {error.str()}", hint="was it deleted?"
            )
        elif not is_passing(error):
            self._tell(f"{self._connection.url}: {error.str()}")

    def _skip_what_is_gone(self, message: Message) -> None:
        partition = message.partition()
        if partition is None or partition not in self._next:
            return
        limits = starting.limits(self._consumer, topic=self._topic, partition=partition, patience=self._patience)
        where = f"{self._topic}: partition {partition}"
        brokers, wanted = self._connection.brokers, self._next[partition]
        self._next[partition] = first_left(wanted, limits=limits, brokers=brokers, where=where, tell=self._tell)
        self._consumer.assign(self._places(self._next))  # the client stopped to read it, so `seek` is refused
