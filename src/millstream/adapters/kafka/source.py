"""A topic as a source of records, read from exactly where the ledger says.

Theory of operation: all partitions are assigned by hand, each at its own offset; no consumer group decides anything.
The position is the next offset of every partition with the id of the topic, and is kept in the transaction that accepts
the records, so a crash neither loses nor doubles one. All work is done by one thread, in order, so a cancelled `read`
loses nothing, and blocks are made from whole runs of messages, so a record costs about a microsecond. So two engines
that read the same topic are two pipelines, each with a position of its own.

What cannot be read any more is never skipped: offsets that retention deleted, a topic that was deleted or made again,
and a partition that became shorter end the intake with an error that says so. No record of a topic that was made again
is taken for one of the old one: after records came, and before they are handed over, the cluster is asked for the id.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from millstream.adapters.kafka.admin import Cluster
from millstream.adapters.kafka.connection import Connection, quiet_logger
from millstream.adapters.kafka.patience import Patience, Tell, is_fatal, is_passing
from millstream.adapters.kafka.places import Places
from millstream.adapters.kafka.runs import runs, take, without_events
from millstream.adapters.kafka.watching import TopicWatch
from millstream.core.address import TopicAddress
from millstream.core.model import Lines
from millstream.core.moment import Edge, Start
from millstream.core.valuelines import join_values
from millstream.errors import BrokerError, SourceError
from millstream.ports import Clock
from millstream.ports.framelog import Run

NO_GROUP = "millstream-stream"
"""The client insists on a group; nothing is ever committed to this one."""
FIRST_MOST, LARGEST_MOST = 100, 10_000
QUEUED_BYTES = 16 << 20
# As they travel, compressed: what comes out of it may be many times as much, and is there before it is counted.
FETCH_BYTES, FETCH_PARTITION_BYTES = 8 << 20, 1 << 20
_WAIT_S = 0.2
_TELL_GROUP_S = 1.0
_ANOTHER_NAME = "to read what is there now from its start, give the pipeline another --name"


class TopicSource:
    """Reads the values of all records of a topic, one record each; how newlines in them are read says `valuelines`.

    A pipeline that never read begins at `start`. Tombstones are skipped, and counted in `tombstones`; what was aborted
    is never seen. Partitions that are added are found within `discovery_s` seconds, and read from their first record.
    With `group` the position is committed to that consumer group as well, now and then, for tools that show the lag; it
    is never read from there. A broker that goes away is waited for, and `tell` is given a line about that.

    `open` and `read` raise SourceError: when no broker answers at the start, the topic is not there (any more) or is
    another one, when records were deleted before they were read, and for one of more than `max_record_bytes`.

    A block holds about `block_bytes`; the client reads ahead by `QUEUED_BYTES`.
    """

    bounded = False
    replayable = True

    def __init__(
        self,
        address: TopicAddress,
        clock: Clock,
        *,
        start: Start = Edge.EARLIEST,
        group: str | None = None,
        max_record_bytes: int,
        block_bytes: int = 1 << 20,
        discovery_s: float = 10.0,
        tell: Tell,
    ) -> None:
        # Without the brokers: they are ways into the cluster, and the id of the topic tells clusters apart.
        self.name = f"kafka:{address.topic}"
        self.tombstones = 0
        self._address = address
        self._clock = clock
        self._start = start
        self._group = group
        self._max_record_bytes = max_record_bytes
        self._block_bytes = block_bytes
        self._tell = tell
        self._connection = Connection(
            brokers=address.brokers, topic=address.topic, group=group or NO_GROUP, discovery_s=discovery_s
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="millstream-kafka")
        self._closed = False
        # The thread's own, except that `read` takes `_found` while the thread rests.
        self._consumer: Consumer | None = None
        self._found: Lines | None = None
        self._most = FIRST_MOST
        self._committed: str | None = None
        self._told_group_at = 0.0

    async def open(self, position: str | None) -> None:
        """Continue after `position`, or begin at the start that was asked for."""
        await self._in_thread(lambda: self._begin(position))

    async def read(self) -> Lines | None:
        """The next block, as soon as there is one; None once it is closed."""
        while not self._closed:
            await self._in_thread(self._find)
            if self._found is not None:
                lines, self._found = self._found, None
                return lines
        return None

    def leftovers(self) -> Lines | None:
        """None: what was not handed over is read again after a restart."""
        return None

    def committed(self, position: str) -> None:
        """Let tools that show the lag of the group know."""
        self._committed = position

    async def close(self) -> None:
        """Leave; a waiting `read` ends."""
        self._closed = True
        with suppress(RuntimeError):  # it was closed before
            await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, step: Callable[[], None]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, step)
        except BrokerError as error:
            reason = str(error).removeprefix(f"kafka: {self._address.brokers}: ")
            raise SourceError(source=str(self._address), reason=reason) from None

    # --- in the thread -------------------------------------------------------------------------------------------

    def _begin(self, position: str | None) -> None:
        self._watch = TopicWatch(self._connection)
        self._patience = Patience(brokers=self._address.brokers, tell=self._tell)
        seen = self._watch.first()
        cluster, topics = Cluster(self._address.brokers), {self._address.topic: seen.partitions}
        if position:
            self._places = Places.loads(position)
            self._check_id(seen.topic_id)
            self._places.add(seen.partitions)
            edges = [cluster.offsets(topics, edge)[self._address.topic] for edge in (Edge.EARLIEST, Edge.LATEST)]
            self._check_limits(*edges)
        else:
            offsets = cluster.offsets(topics, self._start)[self._address.topic]
            self._places = Places(topic_id=seen.topic_id, offsets=offsets)
            if self._start is not Edge.EARLIEST:
                self._found = self._moved()  # or a stop before the first record would begin somewhere else again
        self._consumer = Consumer(self._config(), logger=quiet_logger())
        self._consumer.assign(self._assignment(self._places.offsets))

    def _config(self) -> dict[str, object]:
        return {
            **self._connection.bulk_consumer(self._connection.group),
            "queued.max.messages.kbytes": QUEUED_BYTES >> 10,
            "fetch.max.bytes": FETCH_BYTES,
            "fetch.message.max.bytes": FETCH_PARTITION_BYTES,
            "error_cb": self._patience.on_error,
        }

    def _assignment(self, offsets: dict[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self._address.topic, each, offset) for each, offset in sorted(offsets.items())]

    def _find(self) -> None:
        """Put the next block into `_found`, or leave None there if nothing came."""
        if self._found is None and self._consumer is not None:
            self._look_around()
            self._found = self._take(self._consumer)
            self._tell_group(self._consumer)

    def _take(self, consumer: Consumer) -> Lines | None:
        messages = take(consumer, most=self._most, timeout_s=_WAIT_S)
        if not messages:
            self._patience.look(lambda attempt_s: consumer.list_topics(self._address.topic, timeout=attempt_s))
            return None
        records, ended = without_events(messages, trouble=self._trouble)
        self._patience.answered()
        found = list(runs(records, expected=self._places.offsets, end=lambda _: 0))
        moved = self._places.reach(ended)
        if not found and not moved:
            return None
        self._watch.ask()
        values = [value for run in found for value in run.values if value is not None]
        self.tombstones += sum(len(run.values) for run in found) - len(values)
        data, count = join_values(values)
        if len(data) > self._max_record_bytes:
            self._check_lengths(found)
        if not self._is_still_it():
            return None
        if not values:
            return self._moved()
        self._most = max(1, min(LARGEST_MOST, self._block_bytes * len(messages) // len(data)))
        return Lines(data=data, count=count, read_at=self._clock.now(), position=self._places.dumps())

    def _is_still_it(self) -> bool:
        """Whether what came is of the topic that was begun; False if nobody could tell before it was closed."""
        while not self._closed:
            seen = self._watch.confirm(_WAIT_S)
            if seen is not None:
                self._check_id(seen.topic_id)
                self._patience.answered()
                return True
            self._patience.silent("asked whether the topic is still the same one")
        return False

    def _moved(self) -> Lines:
        return Lines(data=b"", count=0, read_at=self._clock.now(), position=self._places.dumps())

    def _look_around(self) -> None:
        """Take partitions in that were added; the topic itself must still be the same."""
        seen = self._watch.look()
        if seen is None or self._consumer is None:
            return
        self._check_id(seen.topic_id)
        added = self._places.add(seen.partitions)
        if added:
            self._consumer.incremental_assign(self._assignment(added))

    def _tell_group(self, consumer: Consumer) -> None:
        """Commit to the group what was committed here, at most every second; whether it takes that changes nothing."""
        if self._group is None or self._committed is None or time.monotonic() - self._told_group_at < _TELL_GROUP_S:
            return
        offsets = Places.loads(self._committed).offsets
        self._committed, self._told_group_at = None, time.monotonic()
        with suppress(KafkaException):
            consumer.commit(offsets=self._assignment(offsets), asynchronous=True)

    def _let_go(self) -> None:
        if self._consumer is None:
            return
        self._told_group_at = 0.0
        self._tell_group(self._consumer)
        self._consumer.close()
        self._consumer = None

    # --- what ends the intake -----------------------------------------------------------------------------------

    def _failed(self, reason: str, *, hint: str = "") -> SourceError:
        return SourceError(source=str(self._address), reason=reason, hint=hint)

    def _check_id(self, found: str) -> None:
        if found != self._places.topic_id:
            raise self._failed(
                f"expected the topic with the id {self._places.topic_id}, of which was read before, found another one "
                f"({found}): it was deleted and made again, or this is another cluster",
                hint=_ANOTHER_NAME,
            )

    def _check_limits(self, first: dict[int, int], end: dict[int, int]) -> None:
        for partition, offset in self._places.offsets.items():
            if offset < first.get(partition, 0):
                raise self._lost(partition, offset, f"the first that is left is {first[partition]}")
            if offset > end.get(partition, 0):
                raise self._lost(partition, offset, f"it ends at {end.get(partition, 0)}")

    def _lost(self, partition: int, offset: int, found: str) -> SourceError:
        reason = f"partition {partition}: expected to go on at offset {offset}, found that {found}"
        return self._failed(f"{reason}: records were deleted before they were read", hint=_ANOTHER_NAME)

    def _check_lengths(self, found: list[Run]) -> None:
        for run in found:
            for offset, value in zip(run.offsets, run.values, strict=True):
                if value is not None and len(value) > self._max_record_bytes:
                    place = f"the record at offset {offset} of partition {run.partition}"
                    reason = f"{place} has {len(value)} bytes, more than {self._max_record_bytes}"
                    raise self._failed(reason, hint="raise --max-record")

    def _trouble(self, error: KafkaError, message: Message) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the name librdkafka gives it
            partition = message.partition() or 0
            raise self._lost(partition, self._places.offsets.get(partition, 0), f"there is none ({error.str()})")
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):  # noqa: SLF001
            raise self._failed("the topic, or a partition of it, is not there any more", hint="was it deleted?")
        if is_fatal(error) or not is_passing(error):
            raise self._failed(f"{error.str()} ({error.name()})", hint="mend that and start it again")
