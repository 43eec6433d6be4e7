"""The verb `produce` on a real broker: in this process, and as a process of its own that is told to stop."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dev.places import free_ports
from dev.process import wait_until
from docs.terminal import run, without_colours

from millstream.adapters.kafka.producer import LineProducer
from millstream.cli import main
from millstream.cli.produce import _Meter
from millstream.core.address import parse_address
from servers.kafka import Kafka, OwnKafka

LINES = [json.dumps({"user": {"id": number % 7}, "n": number}).encode() for number in range(1_000)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A thousand lines, with a blank one, and the last one without its newline."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n".join([*LINES[:10], b"  ", *LINES[10:]]))
    return path


def values(kafka: Kafka, topic: str) -> list[bytes | None]:
    return [message.value() for message in kafka.read(topic)]


def start(*words: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "millstream", "produce", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_each_line_becomes_a_record(kafka: Kafka, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines of plain and compressed files are records, once each; the answer accounts for all of them."""
    topic, packed = kafka.topic(3), file.with_suffix(".gz")
    packed.write_bytes(gzip.compress(b"\n".join(line.upper() for line in LINES)))

    code = main(["produce", str(file), str(packed), kafka.url(topic)])
    answer = json.loads(capsys.readouterr().out)

    assert code == 0
    assert sorted(values(kafka, topic)) == sorted([*LINES, *(line.upper() for line in LINES)])
    assert {name: answer[name] for name in ("topic", "lines", "delivered", "failed", "bytes")} == {
        "topic": kafka.url(topic),
        "lines": 2_000,
        "delivered": 2_000,
        "failed": 0,
        "bytes": 2 * sum(map(len, LINES)),
    }


def test_lines_of_one_key_stay_together(kafka: Kafka, file: Path) -> None:
    """With --key all lines with the same value of that field are in one partition, in their order."""
    topic = kafka.topic(4)

    main(["produce", str(file), kafka.url(topic), "--key", "user.id"])

    places: dict[bytes | None, set[int | None]] = {}
    for message in kafka.read(topic):
        places.setdefault(message.key(), set()).add(message.partition())
    numbers = [json.loads(value)["n"] for value in values(kafka, topic) if b'"id": 3}' in (value or b"")]
    assert places.keys() == {str(number).encode() for number in range(7)}
    assert all(len(found) == 1 for found in places.values())
    assert numbers == sorted(numbers)


def test_a_missing_topic_is_made_if_asked(kafka: Kafka, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --partitions a missing topic is an error; with it the topic is made, or taken as it is."""
    topic = kafka.name()

    refused = main(["produce", str(file), kafka.url(topic)])
    error = capsys.readouterr().err
    codes = [main(["produce", str(file), kafka.url(topic), "--partitions", count]) for count in ("2", "5")]

    assert refused == 2
    assert f"expected a topic '{topic}', found none of that name; make it with `millstream topics create" in error
    assert codes == [0, 0]
    assert kafka.ends(topic).keys() == {0, 1}
    assert capsys.readouterr().err == f"{topic} is there already, with 2 partitions\n"


def test_a_line_that_cannot_be_delivered_is_told(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that is too long for a record fails, the others do not, and the exit code is 1."""
    topic, path = kafka.topic(), tmp_path / "long.jsonl"
    path.write_bytes(b"short\n" + os.urandom(1_500_000).hex().encode() + b"\nshort, too\n")

    code = main(["produce", str(path), kafka.url(topic)])
    out, err = capsys.readouterr()

    assert code == 1
    assert json.loads(out)["failed"] == 1
    assert err.startswith("1 line failed: ")
    assert values(kafka, topic) == [b"short", b"short, too"]


def test_a_damaged_file_is_told(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be read of a cut file is sent, a line says that there is no more, and the exit code is 1."""
    topic, path = kafka.topic(), tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"\n".join(LINES))[:-100])

    code = main(["produce", str(path), kafka.url(topic)])
    sent = values(kafka, topic)

    assert code == 1
    assert f"{path}: " in capsys.readouterr().err
    assert sent[:-1] == LINES[: len(sent) - 1]


def test_a_rate_holds_back(kafka: Kafka, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A thousand lines at 2,000 a second take half a second, and no more are sent before."""
    topic = kafka.topic()

    main(["produce", str(file), kafka.url(topic), "--rate", "2000/s"])

    assert json.loads(capsys.readouterr().out)["seconds"] >= 0.45
    assert len(values(kafka, topic)) == 1_000


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lines_of_a_pipe_are_sent_as_they_come_until_a_signal(kafka: Kafka, number: signal.Signals) -> None:
    """Lines are delivered while the pipe stays open; a signal ends it, and all that was read is delivered."""
    topic = kafka.topic()
    with start("-", kafka.url(topic), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(line + b"\n" for line in LINES[:3]))
        process.stdin.flush()
        arrived = wait_until(lambda: kafka.ends(topic)[0] == 3, limit_s=30)
        process.send_signal(number)
        out, err = (process.stdout.read(), process.stderr.read()) if process.stdout and process.stderr else (b"", b"")

    assert arrived
    assert process.returncode == 75
    assert json.loads(out)["delivered"] == 3
    assert err == b"stopped before the end\n"
    assert values(kafka, topic) == LINES[:3]


@pytest.mark.slow
def test_a_broker_that_comes_back_gets_everything_once(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """Lines that are sent while the broker is down are delivered when it is back, none of them twice."""
    topic = own_kafka.topic()
    with start("-", own_kafka.url(topic), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(line + b"\n" for line in LINES[:500]))
        process.stdin.flush()
        assert wait_until(lambda: own_kafka.ends(topic)[0] == 500, limit_s=30)
        own_kafka.kill()
        process.stdin.write(b"".join(line + b"\n" for line in LINES[500:]))
        process.stdin.close()
        own_kafka.start()
        out, err = (process.stdout.read(), process.stderr.read()) if process.stdout and process.stderr else (b"", b"")

    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)["delivered"] == 1_000
    assert values(own_kafka, topic) == LINES


@pytest.mark.slow
def test_a_person_gets_a_summary(kafka: Kafka, file: Path) -> None:
    """In a terminal one line is left."""
    (summary,) = run(f"millstream produce {file} {kafka.url(kafka.topic())}", folder=file.parent)

    assert without_colours([summary]).startswith("1,000 lines delivered, 28.9 kB in ")


def test_a_person_sees_how_far_it_is(kafka: Kafka) -> None:
    """While it runs a line says what is delivered, how fast, and what is on its way."""
    topic = kafka.topic()
    producer = LineProducer(parse_address(kafka.url(topic)), partitions=1)
    meter = _Meter(producer)

    producer.send(LINES)
    before = meter.render().plain
    while producer.wait(1):
        pass
    after = meter.render().plain

    assert before == "0 lines delivered, 0/s, 1,000 on their way"
    assert after.startswith("1,000 lines delivered, ")
    assert after.endswith("/s, 0 on their way")


def test_nobody_answers(tmp_path: Path, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A broker that is not there is one line within seconds."""
    (port,) = free_ports(1)

    code = main(["produce", str(file), f"kafka://127.0.0.1:{port}/clicks"])
    out, err = capfd.readouterr()

    assert code == 2
    assert out == ""
    assert err.startswith(
        f"millstream: error: kafka: 127.0.0.1:{port}: expected a Kafka broker, found none that answers"
    )
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", [["topics", "list"], ["produce", os.devnull], ["results"]])
def test_without_the_extra_it_says_what_to_install(verb: list[str]) -> None:
    """When confluent-kafka is not installed, every verb of Kafka says in one line how to get it."""
    program = "import sys; sys.modules['confluent_kafka'] = None; from millstream.cli import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", program, *verb, "kafka://localhost:9092/clicks"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == "millstream: error: kafka:// needs an optional part: pip install 'millstream[kafka]'\n"
