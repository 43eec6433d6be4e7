"""Requests for ingestions over a real RabbitMQ."""

import asyncio

import pytest

from millstream.adapters.rabbitmq.requests import RabbitRequests
from millstream.adapters.rabbitmq.workqueue import Broker, Sender, receiving
from millstream.core.queueaddress import parse_broker
from millstream.errors import LedgerUnreachableError
from servers.rabbitmq import RabbitMQ

PATIENCE_S = 60


@pytest.fixture
def broker(rabbitmq: RabbitMQ) -> Broker:
    """The node that all tests share."""
    return Broker(server=parse_broker(rabbitmq.url))


class Desk:
    """Takes requests, and fails as often as it was told to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.taken: list[str] = []
        self.tries = 0
        self._failures = failures
        self._changed = asyncio.Condition()

    async def take(self, message_id: str) -> None:
        """What Requests calls."""
        self.tries += 1
        if self.tries <= self._failures:
            raise LedgerUnreachableError(address="db", waited_s=1, reason="refused")
        async with self._changed:
            self.taken.append(message_id)
            self._changed.notify_all()

    async def until(self, taken: set[str]) -> None:
        """Wait until these were taken."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: taken <= set(self.taken))


def test_requests_arrive(rabbitmq: RabbitMQ, broker: Broker) -> None:
    """Every request is taken, those that were sent while nobody listened included, once."""
    prefix, wanted = rabbitmq.name(), {f"m{number}" for number in range(20)}

    async def scenario() -> None:
        requests, desk = RabbitRequests(broker, prefix=prefix), Desk()
        for message_id in wanted:
            await requests.send(message_id)
        task = asyncio.ensure_future(requests.receive(desk.take))
        await desk.until(wanted)
        await requests.send("later")
        await desk.until({"later"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await requests.close()

        assert sorted(desk.taken) == sorted({*wanted, "later"})

    asyncio.run(scenario())


def test_a_request_that_cannot_be_taken_comes_again(rabbitmq: RabbitMQ, broker: Broker) -> None:
    """While the ledger is away a request goes back to the queue; it is taken when that is there."""

    async def scenario() -> None:
        requests, desk = RabbitRequests(broker, prefix=rabbitmq.name()), Desk(failures=2)
        task = asyncio.ensure_future(requests.receive(desk.take))
        await requests.send("m1")
        await desk.until({"m1"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await requests.close()

        assert desk.tries == 3

    asyncio.run(scenario())


def test_what_is_no_request_is_put_aside(rabbitmq: RabbitMQ, broker: Broker) -> None:
    """A message that is no id goes to the dead queue, and requests behind it are taken."""
    prefix = rabbitmq.name()
    queue, poison = f"{prefix}.requests", [b"", b"a b", b"\xff", b"x" * 65]

    async def scenario() -> None:
        requests, desk, sender = RabbitRequests(broker, prefix=prefix), Desk(), Sender(broker)
        await sender.send([(queue, "poison", body) for body in poison])
        await requests.send("m1")
        task = asyncio.ensure_future(requests.receive(desk.take))
        await desk.until({"m1"})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sender.close()
        await requests.close()
        async with receiving(broker, f"{queue}.dead") as receiver:
            found = {(await asyncio.wait_for(receiver.fetch(), PATIENCE_S)).body for _ in poison}

        assert found == set(poison)

    asyncio.run(scenario())
