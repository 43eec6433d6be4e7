"""Doorbells over a real RabbitMQ."""

import asyncio
from collections.abc import Callable

import pytest

from millstream.adapters.rabbitmq.bell import RabbitBell
from millstream.adapters.rabbitmq.workqueue import Broker
from millstream.core.queueaddress import parse_broker
from millstream.core.tasks import PIPELINE
from millstream.testing.bell_suite import BellOutageSuite, BellSuite, MakeBell
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
