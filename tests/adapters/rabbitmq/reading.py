"""Reads a queue as a consumer does."""

import asyncio

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from millstream.adapters.rabbitmq.connection import connect, let_go
from millstream.core.queueaddress import QueueAddress

LIMIT_S = 30.0


def messages_of(address: QueueAddress) -> list[AbstractIncomingMessage]:
    """All messages that the queue has just now, which are taken out of it."""
    return asyncio.run(asyncio.wait_for(_messages_of(address), LIMIT_S))


async def _messages_of(address: QueueAddress) -> list[AbstractIncomingMessage]:
    connection = await connect(address.broker, name="test", limit_s=LIMIT_S)
    try:
        channel = await connection.channel()
        found: list[AbstractIncomingMessage] = []
        while count := await _count(channel, address.queue):
            found += await _take(channel, address.queue, count)
        return found
    finally:
        await let_go(connection)


async def _count(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


async def _take(channel: AbstractChannel, name: str, count: int) -> list[AbstractIncomingMessage]:
    queue = await channel.get_queue(name, ensure=False)
    found: list[AbstractIncomingMessage] = []
    async with queue.iterator(no_ack=True) as messages:
        async for message in messages:
            found.append(message)
            if len(found) >= count:
                break
    return found
