"""One connection's messages of a queue, from their delivery to their acknowledgement.

Theory of operation: messages wait here until they are read, and stay with the broker until they are acknowledged, which
is done for whole stretches. What the broker sends ahead it limits by a number of messages only, which says nothing of
their size; so a gate stands before the socket, and nothing is taken from that while enough bytes wait. To ask for
another number now and then would not do: a broker may go on to deliver to a consumer that it said was cancelled.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from urllib.parse import quote

import aiormq
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.channel import Channel
from yarl import URL

from millstream.adapters.rabbitmq.connection import losses_passed_over
from millstream.adapters.rabbitmq.gate import Gate, GatedTransport
from millstream.core.model import Lines
from millstream.core.queueaddress import DEFAULT_VHOST, BrokerAddress, QueueAddress
from millstream.core.valuelines import NEWLINE, value_records

LINES_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
"""Content types of messages that hold a record in each line."""

AHEAD_BYTES = 16 << 20
AHEAD_MESSAGES = 2000
ANSWER_S = 5.0
HEARTBEAT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A message that was delivered and not read yet: its records, each with its newline."""

    tag: int
    data: bytes
    count: int
    size_bytes: int


class Receiver:
    """Receives from the queue as long as its connection lasts. Made by `begin`; used in the event loop."""

    def __init__(
        self,
        connection: AbstractConnection,
        *,
        gate: Gate,
        queue: str,
        number: int,
        max_record_bytes: int,
        arrived: asyncio.Event,
    ) -> None:
        """Made by `begin`."""
        self._connection = connection
        self._gate = gate
        self._queue = queue
        self._number = number
        self._max_record_bytes = max_record_bytes
        self._waiting: deque[_Waiting] = deque()
        self._arrived = arrived
        self._changed = asyncio.Event()  # there is something to acknowledge, or it is over
        self._acknowledged = self._committed = 0
        self._is_over = False
        self._waiting_bytes = 0
        self.refused: str | None = None
        """Why a message cannot be read, which ends the receiving; it stays in the queue."""

    @classmethod
    async def begin(
        cls, address: QueueAddress, *, number: int, max_record_bytes: int, arrived: asyncio.Event
    ) -> "Receiver":
        """Connect, and have the broker send; `arrived` is set whenever there may be something to take.

        `number` tells the receivers of a process apart. Raises AMQPError, OSError or TimeoutError.
        """
        async with asyncio.timeout(ANSWER_S):
            gate = Gate(longest_s=HEARTBEAT_S)
            connection = await aiormq.connect(url_of(address.broker), transport_factory=GatedTransport(gate))
            try:
                receiver = cls(
                    connection,
                    gate=gate,
                    queue=address.queue,
                    number=number,
                    max_record_bytes=max_record_bytes,
                    arrived=arrived,
                )
                await receiver._start()
            except BaseException:
                await _close(connection)
                raise
            return receiver

    async def serve(self) -> None:
        """Acknowledge what was committed, until the connection is lost or the broker has no such queue any more.

        Raises AMQPError, OSError or TimeoutError for what happened meanwhile.
        """
        while not self._is_over:
            await self._changed.wait()
            self._changed.clear()
            await self._acknowledge()

    def take(self, block_bytes: int, *, at: float) -> Lines | None:
        """The records of messages that wait, about so many bytes of them; None when there are none."""
        taken: list[_Waiting] = []
        size = 0
        while self._waiting and size < block_bytes:
            taken.append(self._waiting.popleft())
            size += len(taken[-1].data)
        if not taken:
            return None
        self._waiting_bytes -= sum(each.size_bytes for each in taken)
        self._gate.set(is_open=self._waiting_bytes < AHEAD_BYTES)
        return Lines(
            data=b"".join([each.data for each in taken]),
            count=sum(each.count for each in taken),
            read_at=at,
            position=json.dumps({"connection": self._number, "tag": taken[-1].tag}),
        )

    def acknowledge(self, position: str) -> None:
        """Everything up to `position` need not come again; one of another connection says nothing here."""
        found = json.loads(position) if position else {}
        if found.get("connection") == self._number:
            self._committed = max(self._committed, int(found["tag"]))
            self._changed.set()

    async def close(self) -> None:
        """Acknowledge what is to be acknowledged, and leave; takes a bounded time."""
        with losses_passed_over():
            async with asyncio.timeout(ANSWER_S):
                await self._acknowledge()
        self._gate.set(is_open=True)
        await _close(self._connection)

    async def _start(self) -> None:
        channel = await self._connection.channel(publisher_confirms=False)
        assert isinstance(channel, Channel)  # noqa: S101 - the library's own; its interface lacks the callbacks
        self._channel = channel
        await channel.queue_declare(self._queue, passive=True)
        channel.on_consumer_cancel_callbacks.add(self._on_cancelled)
        for closing in (channel.closing, self._connection.closing):
            closing.add_done_callback(self._on_closed)
        await channel.basic_qos(prefetch_count=AHEAD_MESSAGES)
        await channel.basic_consume(self._queue, self._on_message)

    async def _acknowledge(self) -> None:
        while self._acknowledged < self._committed and not self._channel.is_closed:
            tag = self._committed
            await self._channel.basic_ack(tag, multiple=True)
            self._acknowledged = tag

    async def _on_message(self, message: DeliveredMessage) -> None:
        """Called for one after another, in the order of delivery."""
        if self.refused is not None:
            return
        properties, tag = message.header.properties, message.delivery_tag or 0
        data = _records(message.body, content_type=properties.content_type or "")
        if len(data) > self._max_record_bytes:
            longest = max(map(len, data.split(NEWLINE)))
            if longest > self._max_record_bytes:
                name = f"the message {properties.message_id}" if properties.message_id else "a message"
                self.refused = f"a record of {name} has {longest} bytes, more than {self._max_record_bytes}"
                self._end()
                return
        self._waiting.append(_Waiting(tag=tag, data=data, count=data.count(NEWLINE), size_bytes=len(message.body)))
        self._waiting_bytes += len(message.body)
        self._gate.set(is_open=self._waiting_bytes < AHEAD_BYTES)
        self._arrived.set()

    def _on_cancelled(self, _frame: object) -> None:
        """The broker has no such queue any more."""
        self._end()

    def _on_closed(self, closing: "asyncio.Future[object]") -> None:
        if not closing.cancelled():
            closing.exception()
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self._changed.set()
        self._arrived.set()


def url_of(broker: BrokerAddress) -> URL:
    """As the client takes it."""
    url = URL.build(
        scheme="amqps" if broker.is_encrypted else "amqp",
        user=broker.user,
        password=broker.password,
        host=broker.host.strip("[]"),
        port=broker.port,
    )
    path = "" if broker.vhost == DEFAULT_VHOST else f"/{quote(broker.vhost, safe='')}"
    return URL(f"{url}{path}?heartbeat={HEARTBEAT_S}", encoded=True)


def _records(body: bytes, *, content_type: str) -> bytes:
    """The records of a message, each with its newline."""
    if content_type.partition(";")[0].strip().lower() not in LINES_TYPES:
        return value_records(body) + NEWLINE
    return body if not body or body.endswith(NEWLINE) else body + NEWLINE


async def _close(connection: AbstractConnection) -> None:
    with losses_passed_over():
        async with asyncio.timeout(ANSWER_S):
            await connection.close()
