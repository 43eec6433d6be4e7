"""The servers that other tests stand on."""

from dev import kafka as broker

from servers.kafka import Kafka, OwnKafka


def test_a_topic_takes_records_and_gives_them_back(kafka: Kafka) -> None:
    """What was sent to a partition is read from it, in order, by a reader of committed records."""
    topic = kafka.topic(2)

    kafka.send(topic, [b"a", b"b"], partition=1)

    assert [(each.partition(), each.value()) for each in kafka.read(topic)] == [(1, b"a"), (1, b"b")]
    assert kafka.ends(topic) == {0: 0, 1: 2}


def test_a_killed_broker_comes_back_with_its_data(own_kafka: OwnKafka) -> None:
    """A broker that was killed serves at the same address afterwards, with what it had acknowledged."""
    topic = own_kafka.topic()
    own_kafka.send(topic, [b"kept"])

    own_kafka.kill()
    was_gone = not broker.answers(own_kafka.address)
    own_kafka.start()

    assert was_gone
    assert [each.value() for each in own_kafka.read(topic)] == [b"kept"]


def test_a_frozen_broker_goes_on_when_it_is_thawed(own_kafka: OwnKafka) -> None:
    """A broker that is frozen answers nobody, and answers again afterwards."""
    own_kafka.freeze()
    answered = broker.answers(own_kafka.address)
    own_kafka.thaw()

    assert not answered
    assert broker.answers(own_kafka.address)
