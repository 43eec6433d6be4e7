"""`millstream count kafka://... --output -`: the topic has the results exactly once, and they are shown beside it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("datasketches")

from crash.killing import Process
from millstream import simulate
from millstream.cli import main
from servers.kafka import OwnKafka

OLD = b'{"by":"minute","start":0}'


def test_results_are_shown_beside_the_topic(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """What was there before is not shown; every result of this run is, as a line, up to the last one."""
    topic, results = own_kafka.topic(2), own_kafka.topic(name="user-data")
    own_kafka.send(results, [OLD], key="minute:0")
    lines = list(simulate.frames(count=2_000, rate_per_s=10.0, users=50, late=0.0, flip=0.0, seed=4))
    command = [sys.executable, "-m", "millstream", "count", own_kafka.url(topic), "--output", "-", "--quiet"]
    words = ["--state", str(tmp_path / "state"), "--emit", "final", "--by", "minute", "--grace", "0s"]

    with Process([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout
        for partition in range(2):
            own_kafka.send(topic, lines[partition::2], partition=partition)
        shown = [process.stdout.readline().rstrip(b"\n")]
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
    shown += rest.splitlines()
    kept = [message.value() for message in own_kafka.read(results)]

    assert (process.returncode, errors) == (0, b"")
    assert kept == [OLD, *shown]
    assert {json.loads(line)["status"] for line in shown} == {"final"}


def test_no_broker_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is started."""
    monkeypatch.chdir(tmp_path)

    assert main(["count", "kafka://127.0.0.1:1/clicks", "--output", "-"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("millstream: error: kafka: 127.0.0.1:1: expected a Kafka broker, found none that answers")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
