"""A queue as a sink: every message is confirmed before a chunk counts as published, so none is lost.

Theory of operation: RabbitMQ knows no transaction that would make a chunk appear as a whole, nor does a queue recognise
what it had before: records are there at least once. A message that was not confirmed, because the connection or the
attempt ended, is sent again by the next attempt, with the same id and the same records (see `packing`); so may one that
was. Messages are mandatory: one that no queue takes comes back, and is an error, instead of being confirmed and lost.

One connection per process serves all its threads; each chunk has a channel, which the server closes when it does not
like a message. What is on its way and not confirmed is bounded in bytes and in number, and so is the time until a
confirm must come.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel

from millstream.adapters.rabbitmq.link import Link, translated
from millstream.adapters.rabbitmq.loopthread import result_of
from millstream.adapters.rabbitmq.packing import JSON, NDJSON, Packed, Packer
from millstream.core.queueaddress import QueueAddress
from millstream.errors import SinkRefusedError
from millstream.ports.sink import Publication, Published

MESSAGE_BYTES = 256 << 10
WINDOW_BYTES = 8 << 20
WINDOW_MESSAGES = 1000
LIMIT_S = 30.0
"""How long a server may take for an answer or a confirm until the attempt is given up; the next one tries again."""
_TOGETHER = 250
"""So many messages of one record are handed to the event loop at once; each hand-over costs as much as a message."""


class RabbitSink:
    """A queue as a sink. Implements ports.Sink. It connects when it is first used, in each process anew.

    A queue that is missing is made: a durable quorum queue. A message has `target_bytes` of records at most, or one
    record; with `one_per_message` always one. At most `window_bytes` of a chunk are unconfirmed at any time.
    """

    def __init__(
        self,
        address: QueueAddress,
        *,
        one_per_message: bool = False,
        target_bytes: int = MESSAGE_BYTES,
        window_bytes: int = WINDOW_BYTES,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._address = address
        self._target_bytes = 0 if one_per_message else target_bytes
        self._window_bytes = window_bytes
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._link: Link | None = None

    @property
    def address(self) -> str:
        """As `amqp://HOST:PORT/QUEUE`, without user and password."""
        return str(self._address)

    def open(self, publication: Publication) -> "RabbitWriter":
        """Begin a chunk; what an earlier attempt sent nobody can tell."""
        link = self._linked()
        with translated(link, address=self.address):
            channel = link.loop.call(link.open_channel())
        outgoing = _Outgoing(link, channel=channel, address=self.address, window_bytes=self._window_bytes)
        return RabbitWriter(outgoing, publication=publication, target_bytes=self._target_bytes)

    def check(self) -> None:
        """Raise unless the server answers and has the queue, or made it."""
        link = self._linked()
        with translated(link, address=self.address):
            link.loop.call(link.check())

    def close(self) -> None:
        """Close the connection of this process; a later use makes another one."""
        with self._lock:
            if self._link is not None and self._link.process == os.getpid():
                link, self._link = self._link, None
                link.close()

    def _linked(self) -> Link:
        with self._lock:
            if self._link is None or self._link.process != os.getpid():
                self._link = Link(self._address, limit_s=self._limit_s, inherited=self._link)
            return self._link


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """Messages that are on their way."""

    confirmed: Future[None]
    messages: int
    size_bytes: int
    largest: str
    largest_bytes: int


class _Outgoing:
    """The messages of one chunk on their way through a channel; used by one thread."""

    def __init__(self, link: Link, *, channel: AbstractChannel, address: str, window_bytes: int) -> None:
        self._link = link
        self._channel = channel
        self._address = address
        self._window_bytes = window_bytes
        self._sent: deque[_Sent] = deque()
        self._bytes = self._count = 0
        self._is_open = True

    def send(self, messages: Sequence[aio_pika.Message], *, names: Sequence[str]) -> None:
        """Send when the window has room for it."""
        sizes = [len(message.body) for message in messages]
        while self._sent and (
            self._bytes + sum(sizes) > self._window_bytes or self._count + len(messages) > WINDOW_MESSAGES
        ):
            self._confirm()
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        self._sent.append(
            _Sent(
                confirmed=self._link.loop.submit(self._link.publish(self._channel, messages)),
                messages=len(messages),
                size_bytes=sum(sizes),
                largest=names[largest],
                largest_bytes=sizes[largest],
            )
        )
        self._bytes += sum(sizes)
        self._count += len(messages)

    def finish(self) -> None:
        """Return when everything is confirmed."""
        while self._sent:
            self._confirm()
        self._is_open = False
        self._link.loop.call(self._link.close_channel(self._channel))

    def abort(self) -> None:
        """Give up what is not confirmed; idempotent, waits for nothing."""
        if self._is_open:
            self._is_open = False
            for sent in self._sent:
                sent.confirmed.cancel()
            self._link.loop.submit(self._link.close_channel(self._channel))

    def _confirm(self) -> None:
        """Wait for the oldest."""
        sent = self._sent[0]
        try:
            with translated(self._link, address=self._address):
                result_of(sent.confirmed)
        except SinkRefusedError as error:
            largest = max(self._sent, key=lambda each: each.largest_bytes)
            self.abort()
            if "message size" not in error.reason:
                raise
            reason = f"record {largest.largest} is too long for a message: {error.reason}"
            raise SinkRefusedError(address=self._address, reason=reason) from None
        except BaseException:
            self.abort()
            raise
        self._sent.popleft()
        self._bytes -= sent.size_bytes
        self._count -= sent.messages


class RabbitWriter:
    """Publishes a chunk. Implements ports.ChunkWriter; what is sent is visible at once, before `commit`."""

    def __init__(self, outgoing: _Outgoing, *, publication: Publication, target_bytes: int) -> None:
        self._outgoing = outgoing
        self._publication = publication
        self._is_single = target_bytes == 0
        self._packer = Packer(target_bytes=target_bytes)
        self._waiting: list[Packed] = []
        self._messages = 0
        self._size_bytes = 0

    def write(self, lines: bytes, *, numbers: range | list[int]) -> None:
        """See ChunkWriter; blocks while very much is not confirmed."""
        for packed in self._packer.add(lines, numbers=numbers):
            self._send(packed)

    def commit(self) -> Published:
        """See ChunkWriter."""
        for packed in self._packer.finish():
            self._send(packed)
        self._hand_over()
        self._outgoing.finish()
        return Published(receipt=f"{self._messages} messages", out_bytes=self._size_bytes)

    def abort(self) -> None:
        """See ChunkWriter; what was sent stays."""
        self._outgoing.abort()

    def _send(self, packed: Packed) -> None:
        self._waiting.append(packed)
        if not self._is_single or len(self._waiting) == _TOGETHER:
            self._hand_over()

    def _hand_over(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            names = [self._name(packed) for packed in waiting]
            messages = [self._message(packed, name) for packed, name in zip(waiting, names, strict=True)]
            self._outgoing.send(messages, names=names)
            self._messages += len(messages)
            self._size_bytes += sum(len(packed.body) for packed in waiting)

    def _name(self, packed: Packed) -> str:
        """The id of a message: that of its record, or of its records from first to last."""
        first = f"{self._publication.message_id}:{packed.first}"
        return first if self._is_single else f"{first}-{packed.last}"

    def _message(self, packed: Packed, name: str) -> aio_pika.Message:
        return aio_pika.Message(
            packed.body,
            message_id=name,
            content_type=JSON if self._is_single else NDJSON,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            app_id="millstream",
            headers={
                "batch-id": self._publication.batch_id,
                "first-record": packed.first,
                "records": packed.records,
            },
        )
