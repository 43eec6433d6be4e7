"""Lines of results in a topic of a real broker: under their keys, delivered when that is said, or told not to be."""

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from millstream.adapters.kafka import producer
from millstream.adapters.kafka.linesink import TopicLines
from millstream.core.address import TopicAddress
from millstream.errors import BrokerError, OutputError
from servers.kafka import LIMIT_S, Kafka, OwnKafka


def sink_of(kafka: Kafka, topic: str) -> TopicLines:
    """A sink whose keys are the first letters of its lines."""
    return TopicLines(TopicAddress(brokers=kafka.address, topic=topic), key=lambda line: line[:1].decode())


def test_each_line_is_a_record_under_its_key(kafka: Kafka) -> None:
    """In the order of writing, without newlines; all are there after a sync."""
    topic = kafka.name()
    sink = sink_of(kafka, topic)

    sink.write(b"a1\nb2\n")
    sink.write(b"a3\n")
    length = sink.sync()
    found = kafka.read(topic)
    sink.close()

    assert [(message.key(), message.value()) for message in found] == [(b"a", b"a1"), (b"b", b"b2"), (b"a", b"a3")]
    assert length == sink.length == 9


def test_a_missing_topic_is_made_for_results(kafka: Kafka) -> None:
    """Compacted, with one partition, so that each window keeps its newest value for good."""
    topic = kafka.name()

    sink_of(kafka, topic).close()

    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = kafka.admin()
    assert admin.describe_configs([resource])[resource].result(LIMIT_S)["cleanup.policy"].value == "compact"
    assert list(kafka.ends(topic)) == [0]


def test_lines_of_one_key_keep_their_order_in_any_topic(kafka: Kafka) -> None:
    """A topic with several partitions is taken as it is; all lines of a key are in one of them."""
    topic = kafka.topic(3)
    sink = sink_of(kafka, topic)

    sink.write(b"".join(b"%c%d\n" % (97 + number % 7, number) for number in range(70)))
    sink.close()
    found = [(message.key(), message.partition(), int((message.value() or b"")[1:])) for message in kafka.read(topic)]

    assert sorted(number for *_, number in found) == list(range(70))
    assert len({(key, partition) for key, partition, _ in found}) == 7
    for key in {key for key, *_ in found}:
        numbers = [number for of, _, number in found if of == key]
        assert numbers == sorted(numbers)


def test_closing_delivers_what_is_left(kafka: Kafka) -> None:
    """Nobody need sync first, and closing again does nothing."""
    topic = kafka.name()
    sink = sink_of(kafka, topic)

    sink.write(b"a\n" * 5_000)
    sink.close()
    sink.close()

    assert kafka.ends(topic)[0] == 5_000


def test_a_topic_that_takes_no_such_line_is_an_error(kafka: Kafka) -> None:
    """It is told by the sync; closing afterwards does not tell it again."""
    topic = kafka.topic(config={"max.message.bytes": "100"})
    sink = sink_of(kafka, topic)
    sink.write(bytes(33 + number * number % 89 for number in range(500)) + b"\n")

    with pytest.raises(OutputError, match=f"/{topic}: expected every result to be delivered, found: .*too large"):
        sink.sync()
    sink.close()

    assert kafka.ends(topic)[0] == 0


def test_no_broker_at_the_start_is_told() -> None:
    """Nothing was written by then."""
    with pytest.raises(BrokerError, match="expected a Kafka broker, found none that answers"):
        TopicLines(TopicAddress(brokers="127.0.0.1:1", topic="t"), key=bytes.decode)


def test_a_broker_that_goes_away_is_told(own_kafka: OwnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the delivery hears why there is none, and closing does not wait again."""
    monkeypatch.setattr(producer, "GIVE_UP_S", 6)  # enough for what a busy broker does deliver
    sink = sink_of(own_kafka, own_kafka.topic())
    sink.write(b"a\n")
    sink.sync()
    own_kafka.kill()

    sink.write(b"b\n")
    with pytest.raises(OutputError, match=r"timed out.*\(Connection refused\)"):
        sink.sync()
    sink.close()

    assert sink.length == 4
