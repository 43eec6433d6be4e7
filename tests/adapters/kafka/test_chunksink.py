"""A topic as a sink: markers, fences, what is refused, and what becomes of it when the broker goes away."""

import gc
import json
import signal
import time
from pathlib import Path

import pytest

from adapters.child import hear, say, start
from adapters.kafka.committed import read_settled
from millstream.adapters.kafka.chunksink import KafkaChunkSink
from millstream.core.address import parse_address
from millstream.errors import FencedError, SinkMissingError, SinkRefusedError, SinkUnavailableError
from millstream.ports.sink import ChunkWriter, Publication
from millstream.testing.sink_suite import begun, blocks, expected, ids, numbers_of, publication, publish
from servers.kafka import Kafka, OwnKafka

pytestmark = pytest.mark.slow

AGAIN_S = 60.0


def sink_on(kafka: Kafka, topic: str, **settings: float) -> KafkaChunkSink:
    """A sink on a topic."""
    return KafkaChunkSink(parse_address(kafka.url(topic)), **settings)  # type: ignore[arg-type]


def opened(sink: KafkaChunkSink, chunk: Publication) -> ChunkWriter:
    """A writer."""
    return sink.open(chunk)


def seen(kafka: Kafka, topic: str) -> list[str]:
    """The ids of all committed records."""
    return ids([message.value() or b"" for message in read_settled(kafka, topic)])


def test_a_record_is_keyed_by_its_id(kafka: Kafka) -> None:
    """So the same record goes to the same partition, whatever client writes it; it has no headers."""
    topic = kafka.topic(3)
    publish(sink_on(kafka, topic), publication())

    messages = read_settled(kafka, topic)
    assert len({message.partition() for message in messages}) == 3
    for message in messages:
        assert json.loads(message.value() or b"")["_id"] == (message.key() or b"").decode()
        assert not message.headers()


def test_a_missing_topic_is_waited_for(kafka: Kafka) -> None:
    """Unless it is to be made; the broker's own way of making topics is not taken."""
    topic = kafka.name()
    with pytest.raises(SinkMissingError, match=r"expected a topic .* make it with `millstream topics create kafka://"):
        sink_on(kafka, topic).check()
    with pytest.raises(SinkMissingError, match="expected a topic"):
        sink_on(kafka, topic).open(publication())

    publish(sink_on(kafka, topic, partitions=3), publication())

    assert len(kafka.ends(topic)) == 3
    assert seen(kafka, topic) == expected(publication())


@pytest.mark.parametrize("size", [20_000, 9_990])
def test_a_record_that_is_too_long_is_named(kafka: Kafka, size: int) -> None:
    """Whether the client or the broker finds it, which counts what it adds; nothing of the chunk is seen."""
    topic = kafka.topic(config={"max.message.bytes": "10000", "compression.type": "uncompressed"})
    sink = sink_on(kafka, topic)
    text = "".join(f"{number:08x}" for number in range(size // 8))  # hardly compressible
    lines = b'{"_id":"0123-abc:0"}\n' + json.dumps({"_id": "0123-abc:1", "text": text}).encode()[: size - 2] + b'"}\n'
    writer = opened(sink, publication())

    with pytest.raises(SinkRefusedError, match=r"at most 10000 bytes .* record 0123-abc:1 to be longer"):
        _write_and_commit(writer, lines, numbers=range(2))

    assert seen(kafka, topic) == []


def test_a_chunk_that_differs_from_what_was_published_is_refused(kafka: Kafka) -> None:
    """A chunk that was planned anew under the same name must not pass for the old one."""
    topic = kafka.topic()
    sink = sink_on(kafka, topic)
    publish(sink, publication())
    writer = opened(sink, publication(attempt=2))
    for lines, numbers in list(blocks(numbers_of(publication())))[:1]:
        writer.write(lines, numbers=numbers)

    with pytest.raises(SinkRefusedError, match="an earlier attempt published records 1 to 1199"):
        writer.commit()


def test_more_than_fits_into_the_queue_is_published(kafka: Kafka) -> None:
    """The writer waits while very much is on its way."""
    topic = kafka.topic()
    writer = opened(sink_on(kafka, topic), publication())
    line = b'{"text":"' + b"0123456789" * 9_000 + b'"}\n'
    for start_ in range(0, 1000, 100):
        writer.write(line * 100, numbers=range(start_, start_ + 100))
    done = writer.commit()

    assert done.out_bytes == 1000 * (len(line) - 1)
    assert sum(kafka.ends(topic).values()) == 1001  # and the end of the transaction


@pytest.mark.parametrize("ends", ["commit", "abort"])
def test_nothing_of_a_chunk_stays(kafka: Kafka, ends: str) -> None:
    """A client has threads, connections and megabytes: they go with its chunk, and wait for no garbage collector."""
    sink = sink_on(kafka, kafka.topic())
    publish(sink, publication(seq=1))
    before = _threads()
    gc.collect()
    gc.disable()
    try:
        writer = opened(sink, publication(seq=2))
        for lines, numbers in blocks(numbers_of(publication(seq=2))):
            writer.write(lines, numbers=numbers)
        meanwhile = _threads()
        getattr(writer, ends)()
        del writer
        after = _threads()
    finally:
        gc.enable()

    assert meanwhile - before
    assert not after - before


def _threads() -> set[str]:
    """The threads of this process, those of clients included."""
    return {path.name for path in Path("/proc/self/task").iterdir()}


def test_a_marker_outlives_the_broker(own_kafka: OwnKafka) -> None:
    """After a restart an attempt still learns that an earlier one was committed."""
    topic = own_kafka.topic(2)
    publish(sink_on(own_kafka, topic), publication())
    own_kafka.kill()
    own_kafka.start()

    done = publish(sink_on(own_kafka, topic), publication(attempt=2))

    assert done.receipt == f"{len(expected(publication()))} records"
    assert seen(own_kafka, topic) == expected(publication())


def test_a_broker_that_is_frozen_ends_the_attempt(own_kafka: OwnKafka) -> None:
    """After the time limit, instead of never; when it thaws, the next attempt comes through, and nothing is doubled."""
    topic = own_kafka.topic(2)
    sink = sink_on(own_kafka, topic, limit_s=2.0)
    writer = begun(sink, publication())
    own_kafka.freeze()
    with pytest.raises(SinkUnavailableError):
        writer.commit()
    writer.abort()
    with pytest.raises(SinkUnavailableError):
        sink.open(publication(attempt=2))
    own_kafka.thaw()

    publish_again(sink_on(own_kafka, topic), attempt=3)

    assert seen(own_kafka, topic) == expected(publication())


def publish_again(sink: KafkaChunkSink, *, attempt: int) -> None:
    """Try until it comes through, as an engine does: a broker may take a while until it answers again."""
    until = time.monotonic() + AGAIN_S
    while True:
        try:
            publish(sink, publication(attempt=attempt))
        except SinkUnavailableError:
            assert time.monotonic() < until
            attempt += 1
        else:
            return


def test_a_broker_that_is_not_there_is_told() -> None:
    """With its address, and that it is to be started."""
    sink = KafkaChunkSink(parse_address("kafka://127.0.0.1:1/t"), limit_s=2.0)

    with pytest.raises(SinkUnavailableError, match="expected a Kafka broker, found none"):
        sink.check()


def pause_before_the_commit(folder: Path) -> None:
    """Write a chunk, say so, and commit it when told to."""
    sink = KafkaChunkSink(parse_address((folder / "address").read_text()))
    writer = begun(sink, publication())
    print("written", flush=True)
    input()
    try:
        writer.commit()
    except FencedError:
        print("fenced", flush=True)
    else:
        print("committed", flush=True)


def test_a_process_that_was_frozen_publishes_nothing(kafka: Kafka, tmp_path: Path) -> None:
    """Its successor has published meanwhile; when it thaws and goes on, it is refused, and no record is doubled."""
    topic = kafka.topic(2)
    (tmp_path / "address").write_text(kafka.url(topic))
    zombie = start(pause_before_the_commit, folder=tmp_path)
    try:
        assert hear(zombie) == "written"
        zombie.send_signal(signal.SIGSTOP)
        publish(sink_on(kafka, topic), publication(attempt=2))
        zombie.send_signal(signal.SIGCONT)
        say(zombie, "go on")

        assert hear(zombie) == "fenced"
        assert seen(kafka, topic) == expected(publication())
    finally:
        zombie.send_signal(signal.SIGCONT)
        zombie.kill()
        zombie.communicate()


def _write_and_commit(writer: ChunkWriter, lines: bytes, *, numbers: range) -> None:
    writer.write(lines, numbers=numbers)
    writer.commit()
