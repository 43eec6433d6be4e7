"""A topic as a sink of chunks: each chunk is one transaction, so its records are there once, all or none.

Theory of operation: a chunk has a transactional id of its own, the same for every attempt. A later attempt first takes
that over, which ends what the earlier one left open and shuts it out, and only then reads the chunk's marker, which is
set in the transaction of the records: so either the records are there and the marker says so, or they are not and never
will be, whatever a paused predecessor does when it wakes.

Records are keyed by their id, so where they go depends on nothing else. What consumers see needs
`isolation.level=read_committed`, which is not every client's default.
"""

import contextlib
import threading
from collections.abc import Iterator

from millstream.adapters.kafka.admin import Cluster
from millstream.adapters.kafka.chunkmarker import Marker, MarkerReader, longest_record
from millstream.adapters.kafka.chunkproducer import ChunkProducer
from millstream.core.address import TopicAddress
from millstream.errors import (
    BrokerError,
    SinkMissingError,
    SinkRefusedError,
    SinkUnavailableError,
    UnknownTopicError,
)
from millstream.ports.sink import ChunkWriter, Publication, Published

LIMIT_S = 30.0
"""How long a broker may be silent until an attempt is given up; the next one tries again."""


class KafkaChunkSink:
    """A topic as a sink. Implements ports.Sink. It connects when it is first used, in each process anew.

    A topic that is missing is waited for; with `partitions` it is made with so many. `limit_s` is how long a broker may
    be silent.
    """

    def __init__(self, address: TopicAddress, *, partitions: int | None = None, limit_s: float = LIMIT_S) -> None:
        self._address = address
        self._partitions = partitions
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._record_bytes: int | None = None

    @property
    def address(self) -> str:
        """As `kafka://HOST:PORT/TOPIC`."""
        return str(self._address)

    def open(self, publication: Publication) -> ChunkWriter:
        """Take the chunk over from earlier attempts, and begin.

        What was published before is not published again; the writer only compares it then.
        """
        with _translated(self.address):
            record_bytes = self._prepared()
            batch_id = publication.batch_id
            producer = ChunkProducer(self._address, batch_id=batch_id, record_bytes=record_bytes, limit_s=self._limit_s)
            producer.take_over()
            reader = MarkerReader(self._address, batch_id=batch_id, limit_s=self._limit_s)
            try:
                marker = reader.read()
                if marker is None:
                    producer.begin()
            except BaseException:
                reader.close()
                raise
            if marker is not None:
                reader.close()
                return _Comparer(marker, publication=publication, address=self.address)
            return _Writer(producer, publication=publication, marker=reader, address=self.address)

    def check(self) -> None:
        """Raise unless the topic is there, or can be made, just now."""
        with _translated(self.address):
            self._find()

    def close(self) -> None:
        """Nothing is kept between chunks."""

    def _prepared(self) -> int:
        """How long a record may be, asked for once; the topic is made if that was asked for."""
        with self._lock:
            if self._record_bytes is None:
                self._find()
                self._record_bytes = longest_record(self._address, limit_s=self._limit_s)
            return self._record_bytes

    def _find(self) -> None:
        """Make sure that there is the topic."""
        cluster, topic = Cluster(self._address.brokers), self._address.topic
        if topic in cluster.topics():
            return
        if self._partitions is None:
            raise UnknownTopicError(brokers=self._address.brokers, topic=topic)
        cluster.create(topic, partitions=self._partitions, may_exist=True)


class _Tally:
    """Counts what goes through a writer."""

    def __init__(self, publication: Publication) -> None:
        self._prefix = f"{publication.message_id}:"
        self._records = 0
        self._bytes = 0
        self._first = self._last = -1

    def count(self, lines: bytes, numbers: range | list[int]) -> None:
        if numbers:
            self._first = numbers[0] if self._first < 0 else self._first
            self._last = numbers[-1]
        self._records += len(numbers)
        self._bytes += len(lines) - len(numbers)  # a record has no newline

    @property
    def marker(self) -> Marker:
        return Marker(records=self._records, first=self._first, last=self._last, bytes=self._bytes)

    def keys(self, numbers: range | list[int]) -> Iterator[str]:
        return map(f"{self._prefix}{{}}".format, numbers)


class _Writer:
    """Publishes a chunk. Implements ChunkWriter."""

    def __init__(
        self, producer: ChunkProducer, *, publication: Publication, marker: MarkerReader, address: str
    ) -> None:
        self._producer = producer
        self._marker = marker
        self._address = address
        self._tally = _Tally(publication)

    def write(self, lines: bytes, *, numbers: range | list[int]) -> None:
        """See ChunkWriter; blocks while very many records are on their way."""
        values = lines.split(b"\n")
        values.pop()
        with _translated(self._address):
            self._producer.send(values, keys=self._tally.keys(numbers))
        self._tally.count(lines, numbers)

    def commit(self) -> Published:
        """See ChunkWriter; readers of what is committed see the chunk when this returns, or some milliseconds later."""
        marker = self._tally.marker
        with _translated(self._address):
            self._producer.commit(self._marker.mark(marker))
        self._marker.close()
        return _published(marker)

    def abort(self) -> None:
        """See ChunkWriter."""
        self._producer.abort()
        self._marker.close()


class _Comparer:
    """Stands for a chunk that an earlier attempt published; raises when this one is another. Implements ChunkWriter."""

    def __init__(self, marker: Marker, *, publication: Publication, address: str) -> None:
        self._marker = marker
        self._address = address
        self._batch_id = publication.batch_id
        self._tally = _Tally(publication)

    def write(self, lines: bytes, *, numbers: range | list[int]) -> None:
        self._tally.count(lines, numbers)

    def commit(self) -> Published:
        was, now = self._marker, self._tally.marker
        if (was.records, was.first, was.last) != (now.records, now.first, now.last):
            raise SinkRefusedError(
                address=self._address,
                reason=f"{self._batch_id}: expected records {now.first} to {now.last}, found that an earlier attempt "
                f"published records {was.first} to {was.last}",
            )
        return _published(was)

    def abort(self) -> None:
        """There is nothing to give up."""


def _published(marker: Marker) -> Published:
    return Published(receipt=f"{marker.records} records", out_bytes=marker.bytes)


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    """What the client says, in the words of sinks."""
    try:
        yield
    except UnknownTopicError as error:
        hint = f"make it with `millstream topics create {address}`, or check the name"
        raise SinkMissingError(address=address, reason=error.reason, hint=hint) from None
    except BrokerError as error:
        raise SinkUnavailableError(address=address, reason=error.reason) from None
