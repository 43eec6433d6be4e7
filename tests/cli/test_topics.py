"""The verb `topics` on a real broker, as a script and as a person see it."""

import json
import sys

import pytest

from millstream.cli import main
from servers.kafka import Kafka


def in_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output count as a terminal of 100 columns without colours."""
    for name, value in {"COLUMNS": "100", "LINES": "30", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def test_a_topic_is_made_listed_and_deleted(kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe each step answers with a JSON document."""
    url = kafka.url(name := kafka.name())

    codes = [main(["topics", "create", url, "--partitions", "3", "--replication-factor", "1"])]
    kafka.send(name, [b"a", b"b"], partition=1)
    codes += [main(["topics", "list", url]), main(["topics", "delete", url])]
    made, listed, deleted = (json.loads(line) for line in capsys.readouterr().out.splitlines())

    assert codes == [0, 0, 0]
    assert made == {"topic": name, "partitions": 3, "replication_factor": 1}
    assert listed == {**made, "records": 2}
    assert deleted == {"topic": name, "deleted": True}


def test_a_person_sees_a_table(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal topics are a table, without those of Kafka's own unless asked for."""
    in_terminal(monkeypatch)
    name = kafka.topic(2)
    kafka.send(name, [b"x"] * 1_234)

    main(["topics", "list", f"kafka://{kafka.address}"])
    shown = capsys.readouterr().out
    main(["topics", "list", kafka.url(name)])
    (header, row) = capsys.readouterr().out.splitlines()

    assert any(line.split() == ["2", "1", "1,234", name] for line in shown.splitlines())
    assert "__" not in shown
    assert header.split() == ["partitions", "replicas", "records", "topic"]
    assert row.split() == ["2", "1", "1,234", name]


def test_a_person_is_told_what_was_done(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making and deleting say in a line what there is now."""
    in_terminal(monkeypatch)
    url = kafka.url(name := kafka.name())

    main(["topics", "create", url, "--config", "retention.ms=60000"])
    main(["topics", "delete", url])

    assert capsys.readouterr().out == f"{url} has 1 partition\ndeleted {name}\n"


def test_a_topic_may_be_there_already(kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    """A second `create` is refused, and fine with --if-missing."""
    url = kafka.url(name := kafka.topic(2))

    refused = main(["topics", "create", url])
    error = capsys.readouterr().err
    fine = main(["topics", "create", url, "--partitions", "5", "--if-missing"])

    assert (refused, fine) == (2, 0)
    assert error.startswith(f"millstream: error: kafka: {kafka.address}: expected no topic '{name}' yet, found one")
    assert json.loads(capsys.readouterr().out)["partitions"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "kafka://h/t", "--config", "nonsense"], "argument --config: expected KEY=VALUE such as"),
        (
            ["create", "kafka://h/t", "--partitions", "0"],
            "argument --partitions: expected a whole number of at least 1",
        ),
        (["list", "localhost:9092"], "expected an address such as kafka://localhost:9092/clicks"),
        (["delete", "kafka://h"], "expected a topic at the end"),
    ],
)
def test_wrong_words_are_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is one line, before any broker is asked."""
    with pytest.raises(SystemExit, match="2"):
        main(["topics", *words])

    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_topics_of_two_clusters_are_not_deleted_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A command works on one cluster."""
    code = main(["topics", "delete", "kafka://a/x", "kafka://b/x"])

    assert code == 2
    assert "expected topics of one cluster" in capsys.readouterr().err
