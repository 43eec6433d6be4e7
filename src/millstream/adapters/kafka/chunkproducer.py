"""The producer of one chunk: one transactional id, one transaction.

Theory of operation: producing and waiting are the client's own; nothing is called back for a record that arrived. What
fails says so in the outcome of the transaction, and the first record that could not be delivered is remembered with
its key, so that the error can name it. It is ready within 10 ms or so, because it connects to all brokers at once and
asks for the topic first; with the client's defaults it took up to 500 ms (measured).

A producer lives as long as its chunk. With its records, threads and connections it is several megabytes, so it has to
go at once and not when the garbage collector comes by: nothing that the client holds may refer to who holds the client.
"""

import contextlib
import time
from collections.abc import Iterable
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from millstream.adapters.kafka.chunkmarker import RECONNECT_MS, Marked, say_nothing
from millstream.adapters.kafka.client import Complaints, settings
from millstream.adapters.kafka.connection import quiet_logger
from millstream.adapters.kafka.patience import Patience, error_of
from millstream.core.address import TopicAddress
from millstream.errors import BrokerError, FencedError, SinkRefusedError

TRANSACTION_S = 60.0
"""How long readers are held up at most by a transaction whose writer died."""
_ABORT_S = 2.0
_FULL_S = 0.1
_QUEUE_RECORDS = 200_000
_QUEUE_KIB = 64 << 10
_LINGER_MS = 5
_LEAST_BYTES, _MOST_BYTES = 1000, 1_000_000_000
"""The client's own limits to the limit."""
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001
_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_CONFIG,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


class _Undelivered:
    """Hears of records that did not arrive, and keeps the first: what is wrong with it, and its key."""

    def __init__(self) -> None:
        self.first: tuple[KafkaError, str] | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        passing = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)  # noqa: SLF001 - the outcome of an abort
        if error is not None and self.first is None and error.code() not in passing:
            self.first = (error, (message.key() or b"").decode())


class ChunkProducer:
    """Writes one chunk; used by one thread, and let go of with the last reference to it.

    Raises FencedError when a successor took the chunk over, SinkRefusedError for what the topic will never take, and
    BrokerError for all that may pass; after any of them nothing was written, unless `commit` was waiting for its
    answer.
    """

    def __init__(self, address: TopicAddress, *, batch_id: str, record_bytes: int, limit_s: float) -> None:
        self._address = address
        self._limit_s = limit_s
        self._record_bytes = record_bytes
        self._complaints = Complaints()
        self._patience = Patience(brokers=address.brokers, tell=say_nothing)
        self._undelivered = _Undelivered()
        self._is_open = False
        self._producer = Producer(self._settings(f"millstream-{batch_id}"), logger=quiet_logger())

    def take_over(self) -> None:
        """End what earlier holders of the chunk left open, and shut them out; once, before anything else."""
        try:
            self._patience.ask(lambda s: self._producer.list_topics(self._address.topic, s), within_s=self._limit_s)
            self._patience.ask(self._producer.init_transactions, within_s=self._limit_s)
        except KafkaException as exception:
            self._fail(error_of(exception))

    def begin(self) -> None:
        """Begin the transaction."""
        try:
            self._producer.begin_transaction()
        except KafkaException as exception:
            self._fail(error_of(exception))
        self._is_open = True

    def send(self, values: Iterable[bytes], *, keys: Iterable[str]) -> None:
        """Put records on their way; blocks while very many are."""
        produce, topic, key = self._producer.produce, self._address.topic, ""
        try:
            for value, key in zip(values, keys, strict=True):
                try:
                    produce(topic, value, key)
                except BufferError:
                    self._wait_and_send(value, key)
            self._producer.poll(0)
        except KafkaException as exception:
            self._fail(error_of(exception), key=key)

    def commit(self, marked: Marked) -> None:
        """Return when all of it is there, and the marker with it."""
        try:
            self._ask(lambda s: self._producer.send_offsets_to_transaction(marked.positions, marked.member, s))
            self._ask(self._producer.commit_transaction)
        except KafkaException as exception:
            self._fail(error_of(exception))
        self._is_open = False

    def abort(self) -> None:
        """Give the transaction up; if that cannot be told the broker now, it finds out by itself. Idempotent."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(KafkaException):  # it was shut out, or nobody answers
                self._producer.abort_transaction(_ABORT_S)

    def _wait_and_send(self, value: bytes, key: str) -> None:
        """Send once there is room for it; raises KafkaException, as producing does."""
        until_s = time.monotonic() + self._limit_s
        while time.monotonic() < until_s:
            self._producer.poll(_FULL_S)
            with contextlib.suppress(BufferError):
                self._producer.produce(self._address.topic, value, key)
                return
        self.abort()
        raise BrokerError(brokers=self._address.brokers, reason=f"nothing was delivered for {self._limit_s:g} s")

    def _ask(self, call: Any) -> None:
        self._patience.ask(call, within_s=self._limit_s)

    def _fail(self, error: KafkaError, *, key: str = "") -> NoReturn:
        """Abort, and raise what has become of it; `key` is of the record that it is about, if it is known."""
        self._hear()
        self.abort()
        self._hear()
        cause, key = self._undelivered.first or (error, key)
        if error.code() in _FENCED or cause.code() in _FENCED:
            raise FencedError(reason=f"another attempt took the chunk over: {error.str()}")
        if cause.code() in _REFUSED:
            raise SinkRefusedError(address=str(self._address), reason=self._why(cause, key))
        raise BrokerError(brokers=self._address.brokers, reason=cause.str(), code=cause.name())

    def _hear(self) -> None:
        """Let the client tell what could not be delivered; it repeats a fatal error then."""
        with contextlib.suppress(KafkaException):
            self._producer.poll(0)

    def _why(self, error: KafkaError, key: str) -> str:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return (
                f"expected records of at most {self._record_bytes} bytes (the topic's max.message.bytes), "
                f"found record {key or '?'} to be longer"
            )
        return error.str() + (f" (record {key})" if key else "")

    def _settings(self, transactional_id: str) -> dict[str, Any]:
        return settings(
            self._address.brokers,
            self._complaints,
            **{"reconnect.backoff.ms": RECONNECT_MS, "enable.sparse.connections": False},
            transactional_id=transactional_id,
            socket_timeout_ms=round(self._limit_s * 1000),  # some calls wait that long, whatever time they are given
            transaction_timeout_ms=round(TRANSACTION_S * 1000),
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=_LINGER_MS,
            partitioner="murmur2_random",
            message_max_bytes=min(max(self._record_bytes, _LEAST_BYTES), _MOST_BYTES),
            queue_buffering_max_messages=_QUEUE_RECORDS,
            queue_buffering_max_kbytes=_QUEUE_KIB,
            delivery_report_only_error=True,
            on_delivery=self._undelivered,
        )
