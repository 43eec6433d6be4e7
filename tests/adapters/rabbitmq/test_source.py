"""A queue of a real broker as a source of records."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

import aio_pika
import pytest
from aio_pika.exceptions import DeliveryError

from crash.killing import wait_until
from millstream.adapters.clock import SystemClock
from millstream.adapters.rabbitmq import receiving
from millstream.adapters.rabbitmq.gate import Gate
from millstream.adapters.rabbitmq.source import QueueSource
from millstream.core.model import Lines
from millstream.core.queueaddress import parse_queue
from millstream.errors import SourceError
from millstream.testing.source_suite import MakeSource, SourceSuite
from servers.rabbitmq import OwnRabbitMQ, RabbitMQ

T = TypeVar("T")


def run(scenario: Coroutine[object, object, T]) -> T:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, 100))


@asynccontextmanager
async def channel_to(rabbitmq: RabbitMQ) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(rabbitmq.url) as connection:
        yield await connection.channel()


async def declare(rabbitmq: RabbitMQ, *, kind: str = "quorum") -> str:
    name = rabbitmq.name()
    async with channel_to(rabbitmq) as channel:
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind})
    return name


async def send(rabbitmq: RabbitMQ, queue: str, bodies: Sequence[bytes], *, content_type: str | None = None) -> None:
    async with channel_to(rabbitmq) as channel:
        for body in bodies:
            message = aio_pika.Message(
                body, content_type=content_type, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id="m"
            )
            await channel.default_exchange.publish(message, routing_key=queue, mandatory=True)


async def send_patiently(rabbitmq: RabbitMQ, queue: str, body: bytes) -> None:
    """After a restart the queue has no leader for a moment."""
    while True:
        with suppress(DeliveryError, TimeoutError):
            await asyncio.wait_for(send(rabbitmq, queue, [body]), 5)
            return


async def count(rabbitmq: RabbitMQ, queue: str) -> int:
    """How many messages are ready, once nobody holds any."""
    async with channel_to(rabbitmq) as channel:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


def make(
    rabbitmq: RabbitMQ,
    queue: str,
    *,
    max_record_bytes: int = 1 << 20,
    block_bytes: int = 1 << 20,
    tell: list[str] | None = None,
    url: str | None = None,
) -> QueueSource:
    return QueueSource(
        parse_queue(f"{url or rabbitmq.url}/{queue}"),
        SystemClock(),
        max_record_bytes=max_record_bytes,
        block_bytes=block_bytes,
        tell=(tell if tell is not None else []).append,
    )


@asynccontextmanager
async def opened(source: QueueSource) -> AsyncIterator[QueueSource]:
    try:
        await source.open(None)
        yield source
    finally:
        await source.close()


async def read_records(source: QueueSource, count: int, *, commits: bool = True) -> list[bytes]:
    """At least so many records."""
    records: list[bytes] = []
    while len(records) < count:
        block = await source.read()
        assert block is not None
        records += block.data.split(b"\n")[:-1]
        if commits:
            source.committed(block.position)
    return records


@pytest.fixture(autouse=True)
def _broker(request: pytest.FixtureRequest, rabbitmq: RabbitMQ) -> None:
    if request.cls is not None:
        request.cls.rabbitmq = rabbitmq


class TestQueueSource(SourceSuite):
    """It is a source, one without an end that cannot be read again."""

    records = 12
    rabbitmq: RabbitMQ

    @contextmanager
    def input(self) -> Iterator[MakeSource]:
        """A quorum queue, read in small blocks."""

        async def prepare() -> str:
            queue = await declare(self.rabbitmq)
            await send(self.rabbitmq, queue, [b"record %d" % number for number in range(self.records)])
            return queue

        queue = run(prepare())
        yield lambda: make(self.rabbitmq, queue, block_bytes=30)


def test_what_was_committed_does_not_come_again(rabbitmq: RabbitMQ) -> None:
    """And what was only read does, in the same order."""

    async def scenario() -> tuple[list[bytes], list[bytes], int]:
        queue = await declare(rabbitmq)
        await send(rabbitmq, queue, [b"%d" % number for number in range(10)])
        async with opened(make(rabbitmq, queue, block_bytes=1)) as source:
            first = await read_records(source, 4)
            await read_records(source, 3, commits=False)
        async with opened(make(rabbitmq, queue)) as source:
            second = await read_records(source, 6)
        return first, second, await count(rabbitmq, queue)

    first, second, left = run(scenario())

    assert first == [b"%d" % number for number in range(4)]
    assert second == [b"%d" % number for number in range(4, 10)]
    assert left == 0


def test_messages_of_lines_hold_many_records(rabbitmq: RabbitMQ) -> None:
    """By their content type; other bodies are one record, as long as they have one."""

    async def scenario() -> list[bytes]:
        queue = await declare(rabbitmq)
        lines = "application/x-ndjson; charset=utf-8"
        await send(rabbitmq, queue, [b'{"a":1}\n{"a":2}', b"", b'{"a":3}\n'], content_type=lines)
        await send(rabbitmq, queue, [b'{\n"a":4}'], content_type="application/json")
        await send(rabbitmq, queue, [b"plain", b""])
        async with opened(make(rabbitmq, queue)) as source:
            return await read_records(source, 6)

    assert run(scenario()) == [b'{"a":1}', b'{"a":2}', b'{"a":3}', b'{ "a":4}', b"plain", b""]


def test_a_message_without_records_is_acknowledged(rabbitmq: RabbitMQ) -> None:
    """It moves the position alone."""

    async def scenario() -> tuple[Lines | None, int]:
        queue = await declare(rabbitmq)
        await send(rabbitmq, queue, [b""], content_type="application/x-ndjson")
        async with opened(make(rabbitmq, queue)) as source:
            block = await source.read()
            assert block is not None
            source.committed(block.position)
        return block, await count(rabbitmq, queue)

    block, left = run(scenario())

    assert block is not None
    assert (block.data, block.count, left) == (b"", 0, 0)


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_what_waits_in_memory_is_bounded_by_bytes(
    rabbitmq: RabbitMQ, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many messages the broker may send ahead; all of them come, in order, once each."""
    monkeypatch.setattr(receiving, "AHEAD_BYTES", 300_000)
    bodies = [b"%d-" % number + b"x" * 100_000 for number in range(60)]

    async def scenario() -> tuple[list[bytes], int]:
        queue = await declare(rabbitmq, kind=kind)
        await send(rabbitmq, queue, bodies)
        async with opened(make(rabbitmq, queue, block_bytes=50_000)) as source:
            receiver = source._receiver
            assert receiver is not None
            while receiver._gate._open.is_set():  # noqa: ASYNC110 - a test looks inside
                await asyncio.sleep(0)
            await count(rabbitmq, queue)  # meanwhile all the rest would have come
            most_bytes, records = receiver._waiting_bytes, []
            while len(records) < len(bodies):
                records += await read_records(source, 1)
                most_bytes = max(most_bytes, receiver._waiting_bytes)
            return records, most_bytes

    records, most_bytes = run(scenario())

    assert records == bodies
    assert most_bytes < 700_000


def test_a_closed_gate_lets_something_through_now_and_then() -> None:
    """So that the connection is not taken for dead."""

    async def scenario() -> bool:
        gate = Gate(longest_s=0.01)
        gate.set(is_open=False)
        await gate.passed()
        return gate._open.is_set()

    assert run(scenario()) is False


@pytest.mark.parametrize(("queue", "port", "says"), [("nothere", None, "expected a queue 'nothere'"), ("q", 1, "none")])
def test_what_is_not_there_is_an_error_at_once(rabbitmq: RabbitMQ, queue: str, port: int | None, says: str) -> None:
    """One line that says what to do, without a password."""
    url = f"amqp://guest:secret@127.0.0.1:{port}" if port else rabbitmq.url

    async def scenario() -> None:
        async with opened(make(rabbitmq, queue, url=url)):
            pass

    with pytest.raises(SourceError, match=says) as caught:
        run(scenario())

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_password_is_an_error_at_once(rabbitmq: RabbitMQ) -> None:
    """One line that says so."""

    async def scenario() -> None:
        async with opened(make(rabbitmq, "q", url=f"amqp://guest:secret@{rabbitmq.address}")):
            pass

    with pytest.raises(SourceError, match="check user and password") as caught:
        run(scenario())

    assert "secret" not in str(caught.value)


def test_a_queue_that_is_deleted_ends_the_intake(rabbitmq: RabbitMQ) -> None:
    """What was delivered before is handed over first, as far as it is known; then one line says why."""

    async def scenario() -> None:
        queue = await declare(rabbitmq)
        async with opened(make(rabbitmq, queue)) as source:
            async with channel_to(rabbitmq) as channel:
                await channel.queue_delete(queue)
            await source.read()

    with pytest.raises(SourceError, match=r"expected a queue .* found none"):
        run(scenario())


def test_a_record_that_is_too_long_stays_in_the_queue(rabbitmq: RabbitMQ) -> None:
    """The intake ends with its name, after what came before."""

    async def scenario() -> tuple[list[bytes], str, int]:
        queue = await declare(rabbitmq)
        await send(rabbitmq, queue, [b"short", b"x" * 2000, b"behind"])
        async with opened(make(rabbitmq, queue, max_record_bytes=1000)) as source:
            records = await read_records(source, 1)
            try:
                await source.read()
            except SourceError as error:
                reason = str(error)
        return records, reason, await count(rabbitmq, queue)

    records, reason, left = run(scenario())

    assert records == [b"short"]
    assert "a record of the message m has 2000 bytes, more than 1000; raise --max-record" in reason
    assert left == 2


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "is_killed"), [("classic", True), ("quorum", False)])
def test_a_broker_that_is_away_is_waited_for(own_rabbitmq: OwnRabbitMQ, kind: str, is_killed: bool) -> None:
    """Nothing is lost; what was read and not committed comes again."""

    async def scenario() -> tuple[list[bytes], list[bytes], list[str]]:
        told: list[str] = []
        queue = await declare(own_rabbitmq, kind=kind)
        await send(own_rabbitmq, queue, [b"1", b"2", b"3"])
        async with opened(make(own_rabbitmq, queue, block_bytes=1, tell=told)) as source:
            first = await read_records(source, 1)
            uncommitted = await read_records(source, 1, commits=False)
            await asyncio.to_thread(own_rabbitmq.kill if is_killed else own_rabbitmq.stop)
            await asyncio.to_thread(wait_until, lambda: any("waiting for it, nothing is lost" in line for line in told))
            await asyncio.to_thread(own_rabbitmq.start)
            await send_patiently(own_rabbitmq, queue, b"4")
            found: list[bytes] = []
            while b"4" not in found:
                found += await read_records(source, 1)
        return first + uncommitted, found, told

    before, after, told = run(scenario())

    assert before == [b"1", b"2"]
    assert set(after) >= {b"2", b"3", b"4"}
    assert any("waiting for it, nothing is lost" in line for line in told)
    assert any("answers again" in line for line in told)


@pytest.mark.slow
def test_a_broker_that_was_frozen_is_waited_for(own_rabbitmq: OwnRabbitMQ) -> None:
    """It goes on where it was."""

    async def scenario() -> list[bytes]:
        queue = await declare(own_rabbitmq)
        await send(own_rabbitmq, queue, [b"1"])
        async with opened(make(own_rabbitmq, queue)) as source:
            records = await read_records(source, 1)
            own_rabbitmq.freeze()
            reading = asyncio.ensure_future(read_records(source, 1))
            await asyncio.wait({reading}, timeout=1)
            own_rabbitmq.thaw()
            await send_patiently(own_rabbitmq, queue, b"2")
            return records + await reading

    assert run(scenario()) == [b"1", b"2"]
