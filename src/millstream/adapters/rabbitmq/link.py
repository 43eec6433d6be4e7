"""The connection of a process to the server of a sink, in an event loop of its own, and what is said about it.

Theory of operation: there is one connection, opened when it is needed and again when it broke or fell silent.
Coroutines of `Link` run in its loop; the threads of workers wait for them.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError, PublishError

from millstream.adapters.rabbitmq.connection import (
    TROUBLE,
    connect,
    ensure_queue,
    is_alive,
    let_go,
    losses_named,
    losses_passed_over,
    named,
    reason_of,
)
from millstream.adapters.rabbitmq.loopthread import LoopThread
from millstream.core.queueaddress import QueueAddress
from millstream.errors import SinkRefusedError, SinkUnavailableError


class Link:
    """One connection for all threads of a process; made in the process that uses it.

    `limit_s` is how long the server may take for anything. `inherited` is the link of a parent process, which is kept
    so that nobody ends it.
    """

    def __init__(self, address: QueueAddress, *, limit_s: float, inherited: "Link | None") -> None:
        self.process = os.getpid()
        self.loop = LoopThread(name="rabbitmq")
        self._address = address
        self._limit_s = limit_s
        self._inherited = inherited
        self._connection: AbstractConnection | None = None
        self._has_queue = False
        self._opening = asyncio.Lock()

    async def open_channel(self) -> AbstractChannel:
        """A channel with confirms, to a queue that is there."""
        async with asyncio.timeout(self._limit_s):
            connection = await self._connected()
            channel = connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.initialize(self._limit_s)
            return channel

    async def publish(self, channel: AbstractChannel, messages: Sequence[aio_pika.Message]) -> None:
        """Return when all are confirmed; raises the first error when there is one."""
        exchange, queue = channel.default_exchange, self._address.queue
        async with asyncio.timeout(self._limit_s):
            if len(messages) == 1:
                await exchange.publish(messages[0], routing_key=queue, mandatory=True)
                return
            async with asyncio.TaskGroup() as tasks:
                for message in messages:
                    tasks.create_task(exchange.publish(message, routing_key=queue, mandatory=True))

    async def close_channel(self, channel: AbstractChannel) -> None:
        """Let go of it; what is not confirmed is given up."""
        with losses_passed_over():
            async with asyncio.timeout(self._limit_s):
                await channel.close()

    async def check(self) -> None:
        """Raise unless the server answers and has the queue."""
        self.forget_queue()
        async with asyncio.timeout(self._limit_s):
            await self._connected()

    def forget_queue(self) -> None:
        """The queue may be gone: see to it before anything else is sent."""
        self._has_queue = False

    async def drop(self) -> None:
        """Close the connection, so that the next one who needs it opens another."""
        connection, self._connection = self._connection, None
        await let_go(connection)

    def close(self) -> None:
        """Close the connection, and end the loop."""
        self.loop.call(self.drop())
        self.loop.stop()

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            connection = self._connection
            if connection is None or not is_alive(connection):
                await let_go(connection)
                self._has_queue = False
                self._connection = connection = await connect(
                    self._address.broker, name="millstream", limit_s=self._limit_s
                )
            if not self._has_queue:
                await ensure_queue(connection, self._address.queue, limit_s=self._limit_s)
                self._has_queue = True
            return connection


@contextlib.contextmanager
def translated(link: Link, *, address: str) -> Iterator[None]:
    """The border: what the client raises inside, in the words of sinks; a connection that may be bad is dropped."""
    try:
        with losses_named():
            yield
    except (BaseExceptionGroup, *TROUBLE) as error:
        found = _first(error)
        if isinstance(found, PublishError):
            link.forget_queue()
        elif isinstance(found, TROUBLE) and not isinstance(found, (DeliveryError, ChannelPreconditionFailed)):
            link.loop.call(link.drop())
        if not isinstance(found, TROUBLE):
            raise
        raise _translation(found, address=address) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return named(error)


def _translation(error: BaseException, *, address: str) -> SinkRefusedError | SinkUnavailableError:
    match error:
        case PublishError():
            return SinkRefusedError(address=address, reason="expected a queue of that name, found none (any more)")
        case ChannelPreconditionFailed():
            return SinkRefusedError(address=address, reason=reason_of(error))
        case DeliveryError():
            reason = "it did not take a message (the queue is full, or has too few replicas)"
            return SinkUnavailableError(address=address, reason=reason, hint="make room, or mend the cluster")
        case _:
            return SinkUnavailableError(address=address, reason=reason_of(error))
