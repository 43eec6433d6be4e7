"""A topic of a real broker as a source of records."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition

from millstream.adapters.clock import SystemClock
from millstream.adapters.kafka.source import TopicSource
from millstream.core.address import TopicAddress
from millstream.core.model import Lines
from millstream.core.moment import Edge, Start
from millstream.errors import SourceError
from millstream.testing.source_suite import MakeSource, ReplayingSuite
from servers.kafka import LIMIT_S, Kafka, OwnKafka

T = TypeVar("T")


def make(
    kafka: Kafka,
    topic: str,
    *,
    start: Start = Edge.EARLIEST,
    group: str | None = None,
    max_record_bytes: int = 1 << 20,
    block_bytes: int = 1 << 20,
    tell: list[str] | None = None,
) -> TopicSource:
    return TopicSource(
        TopicAddress(brokers=kafka.address, topic=topic),
        SystemClock(),
        start=start,
        group=group,
        max_record_bytes=max_record_bytes,
        block_bytes=block_bytes,
        discovery_s=0.2,
        tell=(tell if tell is not None else []).append,
    )


@asynccontextmanager
async def opened(source: TopicSource, *, position: str | None = None) -> AsyncIterator[TopicSource]:
    try:
        await source.open(position)
        yield source
    finally:
        await source.close()


async def read_records(source: TopicSource, count: int) -> tuple[list[bytes], str]:
    """At least so many records, and the position behind them."""
    records: list[bytes] = []
    position = ""
    while len(records) < count:
        block = await source.read()
        assert block is not None
        records += block.data.split(b"\n")[:-1]
        position = block.position
    return records, position


def run(scenario: Coroutine[object, object, T]) -> T:
    """Run a scenario that must not hang."""
    return asyncio.run(asyncio.wait_for(scenario, 60))


@pytest.fixture(autouse=True)
def _broker(request: pytest.FixtureRequest, kafka: Kafka) -> None:
    if request.cls is not None:
        request.cls.kafka = kafka


class TestTopicSource(ReplayingSuite):
    """It is a source, one without an end."""

    records = 12
    kafka: Kafka

    @contextmanager
    def input(self) -> Iterator[MakeSource]:
        """A topic of one partition, read in small blocks."""
        topic = self.kafka.topic()
        self.kafka.send(topic, [b"record %d" % number for number in range(self.records)])

        def make_source() -> TopicSource:
            source = make(self.kafka, topic)
            source._most = 5
            source._block_bytes = 40
            return source

        yield make_source


def test_every_partition_is_read_on_where_it_stood(kafka: Kafka) -> None:
    """After a restart each partition goes on at its own offset."""
    topic = kafka.topic(3)

    async def scenario() -> tuple[list[bytes], list[bytes]]:
        for partition in range(3):
            kafka.send(topic, [b"%d-%d" % (partition, number) for number in range(10)], partition=partition)
        async with opened(make(kafka, topic)) as source:
            before, position = await read_records(source, 30)
        for partition in range(3):
            kafka.send(topic, [b"%d-%d" % (partition, number) for number in range(10, 15)], partition=partition)
        async with opened(make(kafka, topic), position=position) as source:
            after, _ = await read_records(source, 15)
        return before, after

    before, after = run(scenario())

    assert sorted(before) == sorted(b"%d-%d" % (p, n) for p in range(3) for n in range(10))
    assert sorted(after) == sorted(b"%d-%d" % (p, n) for p in range(3) for n in range(10, 15))


def test_it_may_begin_at_the_end(kafka: Kafka) -> None:
    """With `latest` what was there before is left out; what came while nothing ran is not: where it began is kept."""
    topic = kafka.topic()
    kafka.send(topic, [b"before"])

    async def scenario() -> tuple[Lines | None, list[bytes]]:
        async with opened(make(kafka, topic, start=Edge.LATEST)) as source:
            begun = await source.read()
        assert begun is not None
        kafka.send(topic, [b"after"])
        async with opened(make(kafka, topic, start=Edge.LATEST), position=begun.position) as source:
            records, _ = await read_records(source, 1)
        return begun, records

    begun, records = run(scenario())

    assert begun is not None
    assert (begun.count, begun.data) == (0, b"")
    assert records == [b"after"]


def test_newlines_and_tombstones(kafka: Kafka) -> None:
    """A JSON document is one record, other text as many as it has lines; a tombstone is none, and counted."""
    topic = kafka.topic()
    kafka.send(topic, [b'{\n "a": 1\n}', None, b"one\ntwo\n", b"", None, b"end"])

    async def scenario() -> tuple[list[bytes], int]:
        async with opened(make(kafka, topic)) as source:
            records, _ = await read_records(source, 5)
            return records, source.tombstones

    records, tombstones = run(scenario())

    assert records == [b'{  "a": 1 }', b"one", b"two", b"", b"end"]
    assert tombstones == 2


def test_what_was_aborted_is_never_seen(kafka: Kafka) -> None:
    """Only records of committed transactions are read, and the position goes on over the marks behind them."""
    topic = kafka.topic()
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": kafka.name(), "log_level": 0})
    producer.init_transactions(LIMIT_S)
    for number, commits in enumerate([True, False, True, False]):
        producer.begin_transaction()
        producer.produce(topic, value=b"%d" % number, partition=0)
        producer.flush(LIMIT_S)
        if commits:
            producer.commit_transaction(LIMIT_S)
        else:
            producer.abort_transaction(LIMIT_S)

    async def scenario() -> tuple[list[bytes], int]:
        async with opened(make(kafka, topic)) as source:
            records, position = await read_records(source, 2)
            while (offset := json.loads(position)["offsets"]["0"]) < 8:
                block = await source.read()
                assert block is not None
                records += block.data.split(b"\n")[:-1]
                position = block.position
            return records, offset

    records, offset = run(scenario())

    assert records == [b"0", b"2"]
    assert offset == kafka.ends(topic)[0] == 8


def test_partitions_that_are_added_are_found(kafka: Kafka) -> None:
    """And read from their first record."""
    topic = kafka.topic()

    async def scenario() -> list[bytes]:
        async with opened(make(kafka, topic)) as source:
            kafka.send(topic, [b"old"])
            records, _ = await read_records(source, 1)
            await asyncio.to_thread(kafka.extend, topic, 2)
            kafka.send(topic, [b"new"], partition=1)
            more, _ = await read_records(source, 1)
            return records + more

    assert run(scenario()) == [b"old", b"new"]


def test_a_topic_that_is_not_there_is_an_error_at_once(kafka: Kafka) -> None:
    """One line that says what to do."""

    async def scenario() -> None:
        async with opened(make(kafka, "nothere")):
            pass

    with pytest.raises(SourceError, match=r"source: kafka://.*/nothere: expected a topic 'nothere', found none"):
        run(scenario())


def test_no_broker_is_an_error_within_seconds() -> None:
    """A wrong address is said at the start."""

    async def scenario() -> None:
        source = make(Kafka("127.0.0.1:1"), "topic")
        async with opened(source):
            pass

    with pytest.raises(SourceError, match=r"source: kafka://127.0.0.1:1/topic: expected a Kafka broker, found none"):
        run(scenario())


def _remake(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result(LIMIT_S)
    while topic in admin.list_topics(timeout=LIMIT_S).topics:
        pass
    kafka.topic(name=topic)
    kafka.send(topic, list(values))


def test_a_topic_that_was_made_again_is_not_read_on(kafka: Kafka) -> None:
    """Offsets of the old one say nothing about the new one, even where they exist in both."""
    topic = kafka.topic()
    kafka.send(topic, [b"old"])

    async def scenario() -> None:
        async with opened(make(kafka, topic)) as source:
            _, position = await read_records(source, 1)
        await asyncio.to_thread(_remake, kafka, topic, [b"new"] * 5)
        async with opened(make(kafka, topic), position=position):
            pass

    with pytest.raises(SourceError, match="found another one"):
        run(scenario())


@pytest.mark.parametrize("records", [0, 1, 50])
def test_a_topic_that_is_made_again_while_it_is_read_ends_the_intake(kafka: Kafka, records: int) -> None:
    """No record of the new one is taken for one of the old one."""
    topic = kafka.topic()
    kafka.send(topic, [b"old"] * 10)
    seen: list[bytes] = []

    async def scenario() -> None:
        async with opened(make(kafka, topic)) as source:
            await read_records(source, 10)
            await asyncio.to_thread(_remake, kafka, topic, [b"new"] * records)
            while (block := await source.read()) is not None:
                seen.append(block.data)

    with pytest.raises(SourceError, match=r"found another one|not there any more|were deleted|found none of that"):
        run(scenario())
    assert b"".join(seen) == b""


def test_a_topic_that_is_made_again_behind_the_back_of_the_client_is_not_read(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another one since it was looked at; the client finds records where it looks for them, and no error."""
    topic = kafka.topic()
    kafka.send(topic, [b"old"])
    source = make(kafka, topic)
    config = source._config
    seen: list[bytes] = []

    def remade() -> dict[str, object]:
        _remake(kafka, topic, [b"new"] * 5)
        return config()

    async def scenario() -> None:
        monkeypatch.setattr(source, "_config", remade)
        async with opened(source):
            while (block := await source.read()) is not None:
                seen.append(block.data)

    with pytest.raises(SourceError, match="found another one"):
        run(scenario())
    assert seen == []


def test_records_that_were_deleted_before_they_were_read_are_an_error(kafka: Kafka) -> None:
    """At the start; never a silent gap."""
    topic = kafka.topic()
    kafka.send(topic, [b"0", b"1", b"2", b"3"])

    async def scenario() -> None:
        source = make(kafka, topic)
        source._most = 1
        async with opened(source):
            _, position = await read_records(source, 1)
        admin = kafka.admin()
        for future in admin.delete_records([TopicPartition(topic, 0, 3)]).values():
            future.result(LIMIT_S)
        async with opened(make(kafka, topic), position=position):
            pass

    with pytest.raises(SourceError, match=r"partition 0: expected to go on at offset \d, .* first that is left is 3"):
        run(scenario())


def test_a_record_that_is_too_long_is_an_error(kafka: Kafka) -> None:
    """It names the record."""
    topic = kafka.topic()
    kafka.send(topic, [b"short", b"x" * 2000])

    async def scenario() -> None:
        async with opened(make(kafka, topic, max_record_bytes=1000)) as source:
            while True:
                await source.read()

    with pytest.raises(SourceError, match="offset 1 of partition 0 has 2000 bytes, more than 1000; raise --max-record"):
        run(scenario())


def test_the_group_is_told_how_far_it_is(kafka: Kafka) -> None:
    """Tools that show the lag see what is durable here."""
    topic, group = kafka.topic(), kafka.name()
    kafka.send(topic, [b"1", b"2", b"3"])

    async def scenario() -> None:
        async with opened(make(kafka, topic, group=group)) as source:
            _, position = await read_records(source, 3)
            source.committed(position)

    run(scenario())

    admin = kafka.admin()
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(LIMIT_S)
    assert [place.offset for place in found.topic_partitions] == [3]


@pytest.mark.slow
def test_a_broker_that_is_away_is_waited_for(own_kafka: OwnKafka) -> None:
    """It goes on by itself, without a gap or a repeat."""
    topic = own_kafka.topic()

    async def scenario() -> list[bytes]:
        async with opened(make(own_kafka, topic)) as source:
            own_kafka.send(topic, [b"1", b"2"])
            records, _ = await read_records(source, 2)
            await asyncio.to_thread(own_kafka.kill)
            reading = asyncio.ensure_future(read_records(source, 2))
            await asyncio.to_thread(own_kafka.start)
            await asyncio.to_thread(own_kafka.send, topic, [b"3", b"4"])
            more, _ = await reading
            return records + more

    assert run(scenario()) == [b"1", b"2", b"3", b"4"]


def test_what_came_waits_until_a_broker_tells_of_which_topic_it_is(own_kafka: OwnKafka) -> None:
    """The broker goes away between the records and the question."""
    topic = own_kafka.topic()
    own_kafka.send(topic, [b"1", b"2"])

    async def scenario() -> tuple[bool, list[bytes]]:
        async with opened(make(own_kafka, topic)) as source:
            own_kafka_goes_away(own_kafka, source)
            reading = asyncio.ensure_future(read_records(source, 2))
            waited, _ = await asyncio.wait([reading], timeout=4)
            await asyncio.to_thread(own_kafka.start)
            records, _ = await reading
        return waited == set(), records

    assert run(scenario()) == (True, [b"1", b"2"])


def test_closing_does_not_wait_for_who_could_tell(own_kafka: OwnKafka) -> None:
    """What came is not handed over then, and comes again after the next start."""
    topic = own_kafka.topic()
    own_kafka.send(topic, [b"1"])

    async def scenario() -> Lines | None:
        async with opened(make(own_kafka, topic)) as source:
            own_kafka_goes_away(own_kafka, source)
            reading = asyncio.ensure_future(source.read())
            await asyncio.wait([reading], timeout=2)
            await source.close()
            return await reading

    assert run(scenario()) is None


def own_kafka_goes_away(own_kafka: OwnKafka, source: TopicSource) -> None:
    """Between what comes next and the question of which topic it is."""
    ask = source._watch.ask

    def killed() -> None:
        own_kafka.kill()
        source._watch.ask = ask  # type: ignore[method-assign]
        ask()

    source._watch.ask = killed  # type: ignore[method-assign]
