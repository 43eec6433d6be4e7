"""The verb `reset` on a real broker."""

import json
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from millstream.cli import main
from servers.kafka import LIMIT_S, Kafka


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Two partitions, with three records in the first one."""
    name = kafka.topic(2)
    kafka.send(name, [b"a", b"b", b"c"])
    return name


def committed(kafka: Kafka, *, group: str, topic: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": group, "log_level": 0})
    try:
        return [
            each.offset for each in consumer.committed([TopicPartition(topic, 0), TopicPartition(topic, 1)], LIMIT_S)
        ]
    finally:
        consumer.close()


def test_a_group_reads_on_from_there(kafka: Kafka, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To the begin, to the end, to a time: the group's positions are what the answer says."""
    group = kafka.name()
    found = []
    for to in ("latest", "earliest", f"{time.time() + 1000:.0f}", "2001-01-01"):
        main(["reset", kafka.url(topic), "--group", group, "--to", to])
        answer = json.loads(capsys.readouterr().out)
        found.append(committed(kafka, group=group, topic=topic))
        assert [place["offset"] for place in answer["positions"]] == found[-1]

    assert found == [[3, 0], [0, 0], [3, 0], [0, 0]]
    assert answer == {
        "group": group,
        "topic": topic,
        "positions": [{"partition": 0, "offset": 0}, {"partition": 1, "offset": 0}],
        "deleted": [],
    }


@pytest.mark.parametrize("form", ["name and broker", "address as topic"])
def test_the_topic_may_be_an_option(kafka: Kafka, topic: str, form: str) -> None:
    """`--topic` takes a name, with `--broker`, or a whole address."""
    group = kafka.name()
    words = (
        ["--topic", topic, "--broker", kafka.address] if form == "name and broker" else ["--topic", kafka.url(topic)]
    )

    code = main(["reset", "--group", group, *words, "--to", "latest"])

    assert code == 0
    assert committed(kafka, group=group, topic=topic) == [3, 0]


def test_a_group_at_work_is_refused(kafka: Kafka, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """While a member is at work nothing is changed, and one line says so."""
    group = kafka.name()
    settings = {"bootstrap.servers": kafka.address, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    try:
        assert consumer.poll(LIMIT_S) is not None
        code = main(["reset", kafka.url(topic), "--group", group, "--to", "latest"])
    finally:
        consumer.close()

    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert f"expected group '{group}' to be idle, found 1 of its members at work; stop them first" in line
    assert max(committed(kafka, group=group, topic=topic)) < 0


def test_a_group_of_count_keeps_what_it_counted(kafka: Kafka, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --all the topics of the group stay, and a line says what that means; --quiet does not."""
    group = kafka.name()
    for own in ("deltas", "state"):
        kafka.topic(name=f"{group}-{own}")

    main(["reset", kafka.url(topic), "--group", group, "--to", "earliest"])
    told = capsys.readouterr().err
    main(["reset", kafka.url(topic), "--group", group, "--to", "earliest", "--quiet"])

    assert f"it keeps {group}-deltas and {group}-state:" in told
    assert "with --all it starts from nothing" in told
    assert capsys.readouterr().err == ""
    assert f"{group}-state" in kafka.admin().list_topics(timeout=LIMIT_S).topics


def test_all_starts_from_nothing(kafka: Kafka, topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --all the group's topics and the merger's positions are gone, results stay; doing it again is fine."""
    group = kafka.name()
    deltas, state, results = (kafka.topic(name=f"{group}-{own}") for own in ("deltas", "state", "results"))
    main(["reset", kafka.url(deltas), "--group", f"{group}-merger", "--to", "latest"])
    capsys.readouterr()

    codes = [main(["reset", kafka.url(topic), "--group", group, "--to", "earliest", "--all"]) for _ in range(2)]
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    there = kafka.admin().list_topics(timeout=LIMIT_S).topics

    assert codes == [0, 0]
    assert (first["deleted"], second["deleted"]) == ([deltas, state], [])
    assert deltas not in there
    assert state not in there
    assert results in there
    kafka.topic(2, name=deltas)
    assert max(committed(kafka, group=f"{group}-merger", topic=deltas)) < 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "latest"], "topic: expected kafka://HOST:PORT/TOPIC, or --topic T, found None"),
        (
            ["kafka://h/t", "--topic", "t", "--to", "latest"],
            "topic: expected an address or --topic and --broker, not both",
        ),
        (["--topic", "a b", "--to", "latest"], "topic: expected the name of a topic"),
    ],
)
def test_a_topic_is_named_once(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No topic, or two, is refused in one line."""
    code = main(["reset", *words])

    assert code == 2
    assert message in capsys.readouterr().err
