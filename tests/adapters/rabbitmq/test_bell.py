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

    def test_what_is_no_ring_is_put_aside(self, rabbitmq: RabbitMQ, broker: Broker, prefix: str) -> None:
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

        asyncio.run(scenario())
        held = rabbitmq.queues()
        assert (held[queue], held[f"{queue}.dead"]) == (0, len(poison))

    def test_a_ring_is_acknowledged_when_it_was_claimed(self, rabbitmq: RabbitMQ, broker: Broker, prefix: str) -> None:
        """While a batch is worked its message is gone already, however long that takes."""
        queue = f"{prefix}.work.{PIPELINE}"

        async def scenario() -> None:
            bell, workshop = RabbitBell(broker, pipeline=PIPELINE, prefix=prefix), Workshop(is_open=False)
            async with answering(bell, workshop):
                await bell.ring([ring_for("b1", message_id=None)])
                await workshop.until(lambda: len(workshop.claimed) == 1)
                await asyncio.wait_for(asyncio.to_thread(self.until_empty, rabbitmq, queue), 60)
            await bell.close()

        asyncio.run(scenario())

    def until_empty(self, rabbitmq: RabbitMQ, queue: str) -> None:
        while rabbitmq.queues()[queue]:
            pass

    def test_a_ring_that_nobody_could_take_is_put_aside(self, rabbitmq: RabbitMQ, broker: Broker, prefix: str) -> None:
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

        asyncio.run(scenario())
        held = rabbitmq.queues()
        assert (held[queue], held[f"{queue}.dead"]) == (0, 1)

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
            with pytest.raises(BellUnavailableError, match="no answer in time|closed"):
                await bell.ring([ring_for("b2", message_id=None)])
            own_rabbitmq.thaw()
            await BellOutageSuite().ring_patiently(bell, ring_for("b3", message_id=None))
            await workshop.until(lambda: "b3" in workshop.worked)
        await bell.close()

    asyncio.run(scenario())
