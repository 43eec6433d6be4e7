"""Requests for ingestions, over RabbitMQ.

Theory of operation: a request is the id of an ingestion that the ledger accepted; the message is acknowledged once the
ledger holds the first plan step. One that cannot be taken goes back to the queue, a few times, and then aside to
`PREFIX.requests.dead`; if its ingestion is still accepted only, the sweeper sends it again.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

from aio_pika.abc import AbstractIncomingMessage

from millstream.adapters.rabbitmq.connection import TROUBLE, losses_named, losses_passed_over
from millstream.adapters.rabbitmq.patience import Patience
from millstream.adapters.rabbitmq.workqueue import Broker, Sender, receiving
from millstream.errors import MillstreamError

MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

AGAIN_S = 1.0
"""Real seconds before a request that could not be taken goes back to the queue."""

log = logging.getLogger("millstream")


class RabbitRequests:
    """Implements ports.bell.Requests with the queue `PREFIX.requests` at `broker`."""

    def __init__(self, broker: Broker, *, prefix: str = "millstream") -> None:
        self._broker = broker
        self._queue = f"{prefix}.requests"
        self._sender = Sender(broker)

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        return self._broker.address

    async def send(self, message_id: str) -> None:
        """See ports.bell.Requests."""
        await self._sender.send([(self._queue, message_id, message_id.encode())])

    async def check(self) -> None:
        """Raise BellUnavailableError unless a request would reach the server now."""
        await self._sender.check(self._queue)

    async def receive(self, take: Callable[[str], Awaitable[None]]) -> None:
        """See ports.bell.Requests."""
        patience = Patience(self._broker)
        while True:
            try:
                with losses_named():
                    async with receiving(self._broker, self._queue) as receiver:
                        patience.reset()
                        while True:
                            await self._take_one(await receiver.fetch(), take)
            except TROUBLE as error:
                await patience.pause(error)

    async def close(self) -> None:
        """Let go; idempotent."""
        await self._sender.close()

    async def _take_one(self, message: AbstractIncomingMessage, take: Callable[[str], Awaitable[None]]) -> None:
        message_id = message.body.decode("utf-8", "replace")
        if not MESSAGE_ID.fullmatch(message_id):
            log.warning("%s: a message that is no request was put aside in %s.dead", self.address, self._queue)
            await message.reject(requeue=False)
            return
        try:
            await take(message_id)
        except MillstreamError as error:
            log.warning("request %s: %s; trying again", message_id, error)
            await asyncio.sleep(AGAIN_S)
            await message.nack(requeue=True)
        except asyncio.CancelledError:
            with losses_passed_over():
                await message.nack(requeue=True)
            raise
        else:
            await message.ack()
