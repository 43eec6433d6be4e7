"""The verb `count` with a topic as its output: from files and from standard input, to a real broker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from crash import count_child
from millstream import simulate
from millstream.cli import main
from servers.kafka import Kafka

FRAMES = 3_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `frames.jsonl`, and `users.jsonl` counted from it."""
    monkeypatch.chdir(tmp_path)
    lines = simulate.frames(count=FRAMES, rate_per_s=10.0, users=100, late=0.02, flip=0.01, seed=4)
    (tmp_path / "frames.jsonl").write_bytes(b"".join(lines))
    assert main(["count", "frames.jsonl", "--output", "users.jsonl", "--quiet"]) == 0
    return tmp_path


def records(kafka: Kafka, topic: str) -> list[tuple[str, bytes]]:
    """Keys and values, in the order of writing."""
    return [((message.key() or b"").decode(), message.value() or b"") for message in kafka.read(topic)]


@pytest.mark.parametrize("source", ["frames.jsonl", "-"])
def test_results_go_to_a_topic(here: Path, kafka: Kafka, source: str) -> None:
    """They are the lines that a file gets, each under the key of its window; copies go to a file as ever."""
    topic = kafka.name()
    command = [sys.executable, "-m", "millstream", "count", source, "--output", kafka.url(topic), "--quiet"]
    with (here / "frames.jsonl").open("rb") as frames:
        done = subprocess.run(command, stdin=frames, capture_output=True, timeout=60, check=False)

    found = records(kafka, topic)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [value for _, value in found] == (here / "users.jsonl").read_bytes().splitlines()
    assert all(key == "{by}:{start}".format(**json.loads(value)) for key, value in found)
    copies = [json.loads(line)["raw"] for line in (here / "millstream-rejects.jsonl").read_text().splitlines()]
    wanted = [json.loads(line)["raw"] for line in (here / "users.rejects.jsonl").read_text().splitlines()]
    assert sorted(copies) == sorted(wanted) != []


@pytest.mark.parametrize("moment", ["before checkpoint", "after checkpoint"])
def test_after_a_crash_results_are_there_at_least_once(here: Path, kafka: Kafka, moment: str) -> None:
    """What was put out after the last checkpoint comes again, the same; a count that is over adds nothing."""
    topic = kafka.name()
    words = ["count", "frames.jsonl", "--output", kafka.url(topic), "--state", "state", "--quiet"]
    child = [sys.executable, count_child.__file__]

    killed = [subprocess.run([*child, moment, str(number), *words], check=False, timeout=60) for number in (6, 3)]
    ended = [subprocess.run([*child, "never", "0", *words], check=False, timeout=60) for _ in range(2)]

    found, wanted = records(kafka, topic), (here / "users.jsonl").read_bytes().splitlines()
    assert [done.returncode for done in killed] == [-9, -9]
    assert [done.returncode for done in ended] == [0, 0]
    assert list(dict.fromkeys(value for _, value in found)) == wanted


def test_another_topic_is_another_count(here: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    """A state goes on with the output that it has begun."""
    words = ["count", "frames.jsonl", "--state", "state", "--quiet", "--output"]
    assert main([*words, first := kafka.url(kafka.name())]) == 0

    assert main([*words, other := kafka.url(kafka.name())]) == 2

    assert f"output was {first}, is {other}" in capsys.readouterr().err


def test_no_broker_is_told_before_anything(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and exit code 2; the copies of an earlier count are as they were."""
    (here / "millstream-rejects.jsonl").write_text("of before\n")

    assert main(["count", "frames.jsonl", "--output", "kafka://127.0.0.1:1/users"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("millstream: error: kafka: 127.0.0.1:1: expected a Kafka broker, found none that answers")
    assert err.count("\n") == 1
    assert (here / "millstream-rejects.jsonl").read_text() == "of before\n"


def test_results_that_are_not_delivered_end_with_code_1(
    here: Path, kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told in one line, and no checkpoint says that they were."""
    topic = kafka.topic(config={"max.message.bytes": "100"})
    words = ["count", "frames.jsonl", "--state", "state", "--output", kafka.url(topic)]

    assert main(words) == 1

    err = capsys.readouterr().err
    assert err.startswith(f"millstream: error: output: {kafka.url(topic)}: expected every result to be delivered, fou")
    assert err.count("\n") == 1
    assert not (here / "state" / "count").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--output", "kafka://localhost:9092"], "output: expected a topic at the end"),
        (["--output", "kafka:users"], "output: expected an address such as"),
        (["--rejects", "kafka://localhost:9092/rejects"], "rejects: expected a file or off, as the source is no topic"),
    ],
)
def test_what_is_wrong_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    """Addresses are read before anything is opened."""
    assert main(["count", "frames.jsonl", *words]) == 2

    err = capsys.readouterr().err
    assert err.startswith(f"millstream: error: {problem}")
    assert err.count("\n") == 1
