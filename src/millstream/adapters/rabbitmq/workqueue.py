"""A durable queue of small messages: each is confirmed when it is sent, and taken only by who can work it now.

Theory of operation: one connection sends, another receives, each is opened when it is first needed and again when it
broke. A queue is a quorum queue with a limit of deliveries; what nobody could take that often, or nobody can read, goes
to the queue of the same name with `.dead` behind it. A queue that exists with other properties is taken as it is.

A consumer would be given messages ahead of time, which then wait behind busy workers while others have none to do. So
there is one only while nothing is to be had: a message is fetched when there is room for it, and when the queue was
empty a consumer waits for the first one and is ended again.

A broker that was frozen answers nothing and closes nothing: every call has a time limit, and heartbeats tell in
between.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError, DeliveryError

from millstream.adapters.rabbitmq.connection import (
    QUORUM,
    TROUBLE,
    connect,
    ensure_queue,
    let_go,
    losses_named,
    losses_passed_over,
)
from millstream.core.queueaddress import BrokerAddress, without_password
from millstream.errors import BellUnavailableError

ANSWER_S = 10.0
"""Real seconds that a server may take for an answer."""

HEARTBEAT_S = 10
PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Real seconds between tries of a message that the server refused."""

IDLE_S = 15.0
"""A channel that got nothing for so long is opened anew: RabbitMQ 3.10 does not tell one that waits at a quorum queue
when that is deleted, and shows it the old one, which stays empty, for as long as it lives."""

DELIVERIES = 20
"""How often a message is handed out before it is put aside as poison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a server is."""

    server: BrokerAddress

    @property
    def address(self) -> str:
        """Without user and password."""
        return str(self.server)

    def unavailable(self, error: BaseException) -> BellUnavailableError:
        """The error that people see."""
        text = " ".join(str(error).split()) or ("no answer in time" if isinstance(error, TimeoutError) else "")
        return BellUnavailableError(address=self.address, reason=without_password(text) or type(error).__name__)

    async def connect(self) -> AbstractConnection:
        """Open a connection; raises one of TROUBLE."""
        return await connect(self.server, name="millstream", limit_s=ANSWER_S, heartbeat_s=HEARTBEAT_S)


async def declare(connection: AbstractConnection, name: str) -> None:
    """Make sure that the queue is there, and the one where its poison goes; raises one of TROUBLE."""
    dead = f"{name}.dead"
    await ensure_queue(connection, dead, limit_s=ANSWER_S)
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    arguments = {**QUORUM, "x-delivery-limit": DELIVERIES, **to_dead}
    await ensure_queue(connection, name, limit_s=ANSWER_S, arguments=arguments)


class Sender:
    """Sends to queues of one server; each message is safe when `send` returns."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._declared: set[str] = set()
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Send (queue, id, body) each; raises BellUnavailableError, after which each may have been sent or not."""
        is_used = self._connection is not None
        try:
            try:
                with losses_named():
                    await self._send(messages)
            except (AMQPError, OSError, RuntimeError) as error:
                if not is_used or isinstance(error, TimeoutError):
                    raise
                await self.close()  # one that broke while nobody used it says so only now
                with losses_named():
                    await self._send(messages)
        except TROUBLE as error:
            await self.close()
            raise self._broker.unavailable(error) from error

    async def check(self, queue: str) -> None:
        """Raise BellUnavailableError unless the server answers, and has the queue."""
        try:
            with losses_named():
                async with asyncio.timeout(ANSWER_S):
                    self._declared.discard(queue)
                    await self._open({queue})
        except TROUBLE as error:
            await self.close()
            raise self._broker.unavailable(error) from error

    async def close(self) -> None:
        """Let go; the next `send` connects anew."""
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        await let_go(connection)

    async def _send(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Send, again when nobody has the queue any more, or a new queue has no leader yet."""
        async with asyncio.timeout(2 * ANSWER_S):
            for pause_s in PAUSES_S:
                try:
                    await self._publish(await self._open({queue for queue, _, _ in messages}), messages)
                except DeliveryError:
                    self._declared.clear()
                    await asyncio.sleep(pause_s)
                else:
                    return
            await self._publish(await self._open({queue for queue, _, _ in messages}), messages)

    async def _publish(self, channel: AbstractChannel, messages: Sequence[tuple[str, str, bytes]]) -> None:
        def message(name: str, body: bytes) -> aio_pika.Message:
            return aio_pika.Message(
                body,
                message_id=name,
                content_type="application/json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                app_id="millstream",
            )

        sending = (
            channel.default_exchange.publish(message(name, body), routing_key=queue, mandatory=True, timeout=ANSWER_S)
            for queue, name, body in messages
        )
        results = await asyncio.gather(*sending, return_exceptions=True)
        for (queue, _, _), result in zip(messages, results, strict=True):
            if isinstance(result, BaseException):
                with _silence_named(queue):
                    raise result

    async def _open(self, queues: set[str]) -> AbstractChannel:
        async with self._opening:
            connection = await self._connected()
            for queue in queues - self._declared:
                await declare(connection, queue)
                self._declared.add(queue)
            if self._channel is None or self._channel.is_closed:
                self._channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                await self._channel.initialize(ANSWER_S)
            return self._channel

    async def _connected(self) -> AbstractConnection:
        if self._connection is None or self._connection.is_closed:
            self._declared.clear()
            self._channel = None
            self._connection = await self._broker.connect()
        return self._connection


class Receiver:
    """Takes messages from one queue, one at a time."""

    def __init__(self, connection: AbstractConnection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._channel: AbstractChannel | None = None

    async def open(self) -> tuple[AbstractChannel, AbstractQueue]:
        """The channel, and the queue on it, which is made if need be."""
        if self._channel is None:
            await declare(self._connection, self._name)
            channel = self._connection.channel(publisher_confirms=False)
            await channel.initialize(ANSWER_S)
            await channel.set_qos(prefetch_count=1, timeout=ANSWER_S)
            self._queue = await channel.declare_queue(self._name, passive=True, timeout=ANSWER_S)
            self._channel = channel
        return self._channel, self._queue

    async def _close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def fetch(self) -> AbstractIncomingMessage:
        """The next message, to be acknowledged, rejected or given back; waits for one. Raises one of TROUBLE.

        Cancelled, it gives back what came meanwhile.
        """
        while True:
            channel, queue = await self.open()
            with _silence_named(self._name):
                message = await queue.get(fail=False, timeout=ANSWER_S)
            _heed_cancelling()
            message = message or await self._wait(channel, queue)
            _heed_cancelling()
            if message is not None:
                return message
            await self._close()

    async def _wait(self, channel: AbstractChannel, queue: AbstractQueue) -> AbstractIncomingMessage | None:
        """The first message that comes, None when there was none for a long time or the consumer was ended."""
        arrived: asyncio.Future[AbstractIncomingMessage | None] = asyncio.get_running_loop().create_future()

        async def take(message: AbstractIncomingMessage) -> None:
            if arrived.done():
                await message.nack(requeue=True)
            else:
                arrived.set_result(message)

        def end(_frame: object) -> None:
            if not arrived.done():
                arrived.set_result(None)

        lost = asyncio.ensure_future(channel.closed())
        notices = (await channel.get_underlay_channel()).on_consumer_cancel_callbacks
        notices.add(end)
        tag = await queue.consume(take, timeout=ANSWER_S)
        try:
            _heed_cancelling()
            waits: list[asyncio.Future[Any]] = [arrived, lost]
            await asyncio.wait(waits, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise ConnectionError("the connection was lost")
            await queue.cancel(tag, timeout=ANSWER_S)
            return arrived.result() if arrived.done() else None
        except asyncio.CancelledError:
            if arrived.done() and (message := arrived.result()) is not None:
                with losses_passed_over():
                    await message.nack(requeue=True)
            raise
        finally:
            lost.cancel()
            notices.discard(end)


@contextlib.asynccontextmanager
async def receiving(broker: Broker, name: str) -> AsyncIterator[Receiver]:
    """A connection that receives from the queue `name`, which is made if need be; raises one of TROUBLE."""
    connection = await broker.connect()
    try:
        receiver = Receiver(connection, name)
        await receiver.open()
        yield receiver
    finally:
        await let_go(connection)


@contextlib.contextmanager
def _silence_named(queue: str) -> Iterator[None]:
    """Inside, a call that gets no answer says of which queue: a server may be there without one of its queues."""
    try:
        yield
    except TimeoutError as error:
        raise TimeoutError(f"the queue {queue} does not answer in time") from error


def _heed_cancelling() -> None:
    """Raise CancelledError if this task was cancelled.

    What waits with `asyncio.wait_for`, as aio-pika does, passes a cancellation over before Python 3.12, when the answer
    comes at the same moment. What was fetched then goes back with the connection.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
