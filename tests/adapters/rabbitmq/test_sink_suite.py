"""A queue obeys the conformance suite of sinks, with many records in a message and with one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from adapters.rabbitmq.reading import messages_of
from millstream.adapters.rabbitmq import RabbitSink
from millstream.core.queueaddress import parse_queue
from millstream.ports.sink import Published
from millstream.testing.sink_suite import Promises, SinkSuite
from servers.rabbitmq import RabbitMQ

pytestmark = pytest.mark.slow


class Queue:
    """A queue of its own on the shared node."""

    def __init__(self, rabbitmq: RabbitMQ, *, one_per_message: bool) -> None:
        self.address = parse_queue(f"{rabbitmq.url}/{rabbitmq.name()}")
        self.one_per_message = one_per_message

    def sink(self) -> RabbitSink:
        return RabbitSink(self.address, one_per_message=self.one_per_message, target_bytes=20_000)

    def seen(self, committed: Sequence[Published]) -> list[bytes]:
        return [line for message in messages_of(self.address) for line in message.body.splitlines()]


class TestRabbitSink(SinkSuite):
    promises = Promises(whole=False, once=False)
    one_per_message = False

    @pytest.fixture(autouse=True)
    def _node(self, rabbitmq: RabbitMQ) -> None:
        self.rabbitmq = rabbitmq

    @contextmanager
    def outlet(self) -> Iterator[Queue]:
        yield Queue(self.rabbitmq, one_per_message=self.one_per_message)


class TestOneRecordPerMessage(TestRabbitSink):
    one_per_message = True
