"""Real RabbitMQ for tests: `rabbitmq`, shared by the session, and `own_rabbitmq`, which a test may kill and restart."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev import rabbitmq as node
from dev.process import Running

from servers import own


class RabbitMQ:
    """A node, with what tests do most; its user and password are `guest`."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    @property
    def url(self) -> str:
        """Where clients connect, without a queue."""
        return f"amqp://guest:guest@{self.address}"

    def name(self) -> str:
        """A name for a queue or an exchange that nobody else has."""
        return f"t{uuid.uuid4().hex[:12]}"

    def control(self, *words: str) -> str:
        """What `rabbitmqctl` says; it takes a second."""
        return node.control(Path(self.running.folder), *words)

    def queues(self) -> dict[str, int]:
        """How many messages each queue holds, as the node itself counts them, unacknowledged ones included."""
        listed = json.loads(self.control("list_queues", "name", "messages", "--formatter", "json"))
        return {each["name"]: each["messages"] for each in listed}


class OwnRabbitMQ(own.Own, RabbitMQ):
    """A node of a test's own."""

    server = node


@pytest.fixture(scope="session")
def rabbitmq() -> RabbitMQ:
    """The node that all tests of the session share; use queues of your own."""
    return RabbitMQ(own.shared(node))


@pytest.fixture
def own_rabbitmq() -> Iterator[OwnRabbitMQ]:
    """A node of the test's own, which it may kill."""
    yield from own.lent(OwnRabbitMQ)
