"""Doorbells over a real RabbitMQ."""

import asyncio
from collections.abc import Callable

import pytest

from millstream.adapters.rabbitmq.bell import RabbitBell
from millstream.adapters.rabbitmq.workqueue import DELIVERIES, Broker, Sender, receiving
from millstream.core.queueaddress import parse_broker
from millstream.core.tasks import PIPELINE
from millstream.errors import BellUnavailableError
from millstream.testing.bell_suite import BellOutageSuite, BellSuite, MakeBell, Workshop, answering, ring_for
from servers.rabbitmq import OwnRabbitMQ, RabbitMQ


async def made(bell: RabbitBell) -> None:
    """Have the queues made."""
    await bell.check()
    await bell.close()


async def held(broker: Broker, queue: str) -> int:
    """How many messages wait in a queue; those that were put aside need a moment."""
    connection = await broker.connect()
    counts = [-1, -2]
    async with asyncio.timeout(60), connection.channel() as channel:
        while counts[-1] != counts[-2] or len(counts) < 10:
            found = await channel.declare_queue(queue, passive=True)
            counts.append(found.declaration_result.message_count or 0)
            await asyncio.sleep(0.05)
    await connection.close()
    return counts[-1]


class TestRabbitBell(BellSuite):
    @pytest.fixture
    def make_bell(self, rabbitmq: RabbitMQ) -> MakeBell:
        prefix = rabbitmq.name()
        return lambda: RabbitBell(Broker(server=parse_broker(rabbitmq.url)), pipeline=PIPELINE, prefix=prefix)


@pytest.mark.slow
class TestRabbitBellOutage(BellOutageSuite):
    @pytest.fixture
    def make_bell(self, own_rabbitmq: OwnRabbitMQ) -> MakeBell:
        broker = Broker(server=parse_broker(own_rabbitmq.url))
        asyncio.run(made(RabbitBell(broker, pipeline=PIPELINE)))
        own_rabbitmq.restart()  # a node that is killed while it makes a quorum queue never serves that queue again
        return lambda: RabbitBell(broker, pipeline=PIPELINE)

    @pytest.fixture
    def kill(self, own_rabbitmq: OwnRabbitMQ) -> Callable[[], None]:
        return own_rabbitmq.kill

    @pytest.fixture
    def start(self, own_rabbitmq: OwnRabbitMQ) -> Callable[[], None]:
        return own_rabbitmq.start


class TestQueues:
    """What a RabbitMQ bell does with its queues."""

    @pytest.fixture
    def prefix(self, rabbitmq: RabbitMQ) -> str:
        return rabbitmq.name()

    @pytest.fixture
    def broker(self, rabbitmq: RabbitMQ) -> Broker:
        return Broker(server=parse_broker(rabbitmq.url))

    def test_what_is_no_ring_is_put_aside(self, broker: Broker, prefix: str) -> None:
        """A message that nobody can read goes to the dead queue at once, and rings behind it are answered."""
        queue = f"{prefix}.work.{PIPELINE}"
        poison = [b"", b"\xff", b"[]", b"{}", b'{"batch_id": 1, "pipeline": "p"}', b"[" * 100_000]

        async def scenario() -> None:
            bell, workshop, sender = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix), Workshop(), Sender(broker)
            await sender.send([(queue, "poison", body) for body in poison])
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: workshop.worked == ["b1"])
            await sender.close()
            await bell.close()

            assert await held(broker, queue) == 0
            assert await held(broker, f"{queue}.dead") == len(poison)

        asyncio.run(scenario())

    def test_a_ring_is_acknowledged_when_it_was_claimed(self, broker: Broker, prefix: str) -> None:
        """Once a batch is claimed its message is gone, however long it is worked and whatever becomes of the worker."""

        async def scenario() -> None:
            bell, first = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix), Workshop(is_open=False)
            async with answering(bell, first):
                await bell.ring([ring_for("b1", message_id=None)])
                await first.until(lambda: len(first.claimed) == 1)
            second = Workshop()
            async with answering(bell, second):
                await bell.ring([ring_for("b2", message_id=None)])
                await second.until(lambda: "b2" in second.worked)
            await bell.close()

            assert [each.batch_id for each in second.claimed] == ["b2"]

        asyncio.run(scenario())

    def test_a_ring_that_nobody_could_take_is_put_aside(self, broker: Broker, prefix: str) -> None:
        """A message that kills whoever takes it is handed out so many times, and then put aside."""
        queue = f"{prefix}.work.{PIPELINE}"

        async def scenario() -> None:
            bell = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix)
            await bell.ring([ring_for("b1", message_id=None)])
            async with receiving(broker, queue) as receiver:
                for _ in range(DELIVERIES + 1):
                    message = await asyncio.wait_for(receiver.fetch(), 30)
                    await message.nack(requeue=True)
            await bell.close()

            assert await held(broker, queue) == 0
            assert await held(broker, f"{queue}.dead") == 1

        asyncio.run(scenario())

    def test_a_queue_that_was_deleted_is_made_again(self, broker: Broker, prefix: str) -> None:
        """Whoever waits at a queue that somebody deletes, and whoever rings, goes on with a new one."""
        queue = f"{prefix}.work.{PIPELINE}"

        async def scenario() -> None:
            bell, workshop = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix), Workshop()
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: workshop.worked == ["b1"])
                connection = await broker.connect()
                async with connection.channel() as channel:
                    await channel.queue_delete(queue)
                await connection.close()
                await bell.ring([ring_for("b2", message_id=None)])
                await workshop.until(lambda: workshop.worked == ["b1", "b2"])
            await bell.close()

        asyncio.run(scenario())

    def test_a_queue_of_another_kind_is_taken_as_it_is(self, broker: Broker, prefix: str) -> None:
        """A queue that an operator made in another way is used as it is."""
        queue = f"{prefix}.work.{PIPELINE}"

        async def scenario() -> None:
            connection = await broker.connect()
            async with connection.channel() as channel:
                await channel.declare_queue(queue, durable=True)
            bell, workshop = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix), Workshop()
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: workshop.worked == ["b1"])
            await bell.close()
            async with connection.channel() as channel:
                await channel.queue_delete(queue)
            await connection.close()

        asyncio.run(scenario())

    def test_a_server_may_have_an_address_of_ipv6(self) -> None:
        """Its brackets are no part of its name: one that is away is told as any other."""

        async def scenario() -> None:
            await RabbitBell(Broker(server=parse_broker("amqp://[::1]:1")), pipeline=PIPELINE).check()

        with pytest.raises(BellUnavailableError, match=r"\[::1\]:1"):
            asyncio.run(scenario())

    def test_no_password_is_shown(self) -> None:
        """A server that is away is told without user and password."""
        broker = Broker(server=parse_broker("amqp://someone:secret@127.0.0.1:1"))

        async def scenario() -> None:
            await RabbitBell(broker, pipeline=PIPELINE).check()

        with pytest.raises(BellUnavailableError) as caught:
            asyncio.run(scenario())
        for text in (str(caught.value), repr(broker)):
            assert "secret" not in text
            assert "someone" not in text


@pytest.mark.slow
def test_a_frozen_broker(own_rabbitmq: OwnRabbitMQ) -> None:
    """A broker that stopped to answer is an error in time for who rings; when it goes on, so do all."""
    broker = Broker(server=parse_broker(own_rabbitmq.url))

    async def scenario() -> None:
        bell, workshop = RabbitBell(broker, pipeline=PIPELINE), Workshop()
        async with answering(bell, workshop):
            await bell.ring([ring_for("b1", message_id=None)])
            await workshop.until(lambda: workshop.worked == ["b1"])
            own_rabbitmq.freeze()
            with pytest.raises(BellUnavailableError, match=r"the queue \S+ does not answer in time|closed"):
                await bell.ring([ring_for("b2", message_id=None)])
            own_rabbitmq.thaw()
            await BellOutageSuite().ring_patiently(bell, ring_for("b3", message_id=None))
            await workshop.until(lambda: "b3" in workshop.worked)
        await bell.close()

    asyncio.run(scenario())
