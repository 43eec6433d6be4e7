"""Doorbells over RabbitMQ: a ring is a small message in the queue of its pipeline.

Theory of operation: a message is taken only when a slot is free, and acknowledged as soon as the claim is durable (or
there was nothing to claim), so none is held while a handler works. A worker that dies in between leaves its message to
another. What became ready by a batch that was worked is rung for by whoever worked it.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aio_pika.abc import AbstractIncomingMessage

from millstream.adapters.rabbitmq.connection import TROUBLE, losses_named, losses_passed_over
from millstream.adapters.rabbitmq.patience import Patience
from millstream.adapters.rabbitmq.workqueue import Broker, Receiver, Sender, receiving
from millstream.errors import BellUnavailableError
from millstream.ports.bell import Ring, Work, Worked

log = logging.getLogger("millstream")


class RabbitBell:
    """Implements ports.bell.Bell at `broker`; it rings for any pipeline and answers for `pipeline`.

    Its queues are `PREFIX.work.PIPELINE`. Nothing is connected before the first call.
    """

    def __init__(self, broker: Broker, *, pipeline: str, prefix: str = "millstream") -> None:
        self._broker = broker
        self._prefix = prefix
        self._queue = self._queue_of(pipeline)
        self._sender = Sender(broker)

    @property
    def address(self) -> str:
        """See ports.bell.Bell."""
        return self._broker.address

    async def ring(self, rings: Sequence[Ring]) -> None:
        """See ports.bell.Bell."""
        if rings:
            await self._sender.send([(self._queue_of(each.pipeline), each.batch_id, dump(each)) for each in rings])

    async def check(self) -> None:
        """See ports.bell.Bell."""
        await self._sender.check(self._queue)

    async def close(self) -> None:
        """See ports.bell.Bell."""
        await self._sender.close()

    async def answer(self, work: Work, *, slots: int, stop: asyncio.Event | None = None) -> None:
        """See ports.bell.Bell."""
        free = asyncio.Semaphore(slots)
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(self._take(work, free, group), name=f"answer {self._queue}")
            await (stop or asyncio.Event()).wait()
            taking.cancel()

    async def _take(self, work: Work, free: asyncio.Semaphore, group: asyncio.TaskGroup) -> None:
        """Take messages and have them worked, over one connection after the other."""
        patience = Patience(self._broker)
        while True:
            try:
                with losses_named():
                    async with receiving(self._broker, self._queue) as receiver:
                        patience.reset()
                        while True:
                            await self._take_one(receiver, work, free, group)
            except TROUBLE as error:
                await patience.pause(error)

    async def _take_one(
        self, receiver: Receiver, work: Work, free: asyncio.Semaphore, group: asyncio.TaskGroup
    ) -> None:
        await free.acquire()
        try:
            message = await receiver.fetch()
        except BaseException:
            free.release()
            raise
        group.create_task(self._answer_one(message, work, free), name=message.message_id)

    async def _answer_one(self, message: AbstractIncomingMessage, work: Work, free: asyncio.Semaphore) -> None:
        try:
            ring = load(message.body)
            if ring is None:
                log.warning("%s: a message that is no ring was put aside in %s.dead", self.address, self._queue)
                with losses_passed_over():
                    await message.reject(requeue=False)
                return
            worked = await work(ring, _acknowledge(message))
        finally:
            free.release()
        await self._pass_on(worked)

    async def _pass_on(self, worked: Worked) -> None:
        try:
            await self.ring(worked.ready)
        except BellUnavailableError as error:
            log.info("%s; what became ready is rung for later", error)

    def _queue_of(self, pipeline: str) -> str:
        return f"{self._prefix}.work.{pipeline}"


def dump(ring: Ring) -> bytes:
    """A ring as it travels."""
    words = {"batch_id": ring.batch_id, "pipeline": ring.pipeline, "message_id": ring.message_id}
    return json.dumps(words).encode()


def load(body: bytes) -> Ring | None:
    """A ring that arrived, None if it is none."""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        found = json.loads(body)
        batch_id, pipeline, message_id = found["batch_id"], found["pipeline"], found.get("message_id")
        if isinstance(batch_id, str) and isinstance(pipeline, str) and isinstance(message_id, str | None):
            return Ring(batch_id=batch_id, pipeline=pipeline, message_id=message_id)
    return None


def _acknowledge(message: AbstractIncomingMessage) -> Callable[[], Awaitable[None]]:
    """How a message is acknowledged; if the connection broke meanwhile it comes again, which does no harm."""

    async def acknowledge() -> None:
        with losses_passed_over():
            await message.ack()

    return acknowledge
