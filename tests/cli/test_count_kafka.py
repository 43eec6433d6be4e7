"""The verb `count` for a topic: what it refuses in a line, and what it shows."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")

from millstream.cli import count_kafka as showing
from millstream.cli.count_kafka import KafkaDisplay
from millstream.counting.guard import SPAN
from millstream.counting.live.worker import Progress
from millstream.counting.model import Totals
from millstream.wiring.count_kafka import MergerNews, WorkerNews
from millstream.wiring.kafka_count import KafkaCount
from servers.kafka import Kafka

FRAMES = [b'{"uid":"u%d","ts":%d}' % (number % 9, 1_468_244_340 + number) for number in range(200)]
SOON_S = 12.0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*words: str) -> str:
    """The one line with which a count is refused with code 2, soon."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "millstream", "count", "--quiet", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    elapsed_s = time.monotonic() - began_s

    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line.startswith("millstream: error: ")
    assert elapsed_s < SOON_S
    return line


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.mark.slow
def test_no_broker_is_told_within_seconds(here: Path) -> None:
    """With its address and what to do."""
    address = f"127.0.0.1:{free_port()}"

    line = refused(f"kafka://{address}/clicks")

    assert f"kafka: {address}: expected a Kafka broker, found none that answers" in line
    assert "start it, or check the address" in line


@pytest.mark.slow
def test_an_unknown_topic_is_told(kafka: Kafka, here: Path) -> None:
    """With the command that makes it; nothing is made meanwhile."""
    topic, group = kafka.name(), kafka.name()

    line = refused(kafka.url(topic), "--group", group)

    assert f"expected a topic '{topic}', found none of that name" in line
    assert f"millstream topics create {kafka.url(topic)}" in line
    assert not {name for name in kafka.admin().list_topics(timeout=10).topics if name.startswith((topic, group))}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--output", "kafka://elsewhere:9092/users"], "output: expected a topic of broker:9092"),
        (["--from", "yesterday-ish"], "from: expected earliest, latest or a time"),
        (["--lateness", "0.5s"], "whole seconds"),
        (["--role", "boss"], "role"),
        (["--group", "a group"], "group: "),
        (["more.jsonl"], "sources: "),
        (["kafka://broker:9092/more"], "expected one topic alone"),
        (["--allow-loss"], "never stops for losses"),
        (["--state", "file"], "state: expected a folder that can be written"),
    ],
)
@pytest.mark.slow
def test_what_is_wrong_is_one_line(here: Path, words: list[str], problem: str) -> None:
    """Before anybody is asked."""
    (here / "file").write_text("")

    assert problem in refused("kafka://broker:9092/clicks", *words)


class Counted:
    """A topic that was counted once."""

    def __init__(self, kafka: Kafka) -> None:
        self.topic, self.group = kafka.topic(), kafka.name()
        self.kafka, self.results = kafka, kafka.topic()
        kafka.send(self.topic, FRAMES)
        with self.start() as counting:
            until_s = time.monotonic() + 40
            while not kafka.read(self.results):
                assert time.monotonic() < until_s
            counting.terminate()
            assert counting.wait(30) == 0

    @property
    def words(self) -> list[str]:
        """What names the count."""
        return [self.kafka.url(self.topic), "--group", self.group, "--output", self.kafka.url(self.results)]

    def start(self) -> "subprocess.Popen[bytes]":
        """Count on."""
        command = [sys.executable, "-m", "millstream", "count", "--quiet", "--idle", "1s", *self.words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_other_settings_than_before_are_refused(kafka: Kafka, here: Path) -> None:
    """What was counted by other rules is not mixed; the line names another group as the way out."""
    counted = Counted(kafka)

    lines = [
        refused(*counted.words, *words)
        for words in (["--lateness", "9s"], ["--grace", "9s"], ["--zone", "Europe/Zurich"], ["--by", "minute"])
    ]

    assert all("--group" in line for line in lines)
    assert ["5" in lines[0] and "9" in lines[0], "60" in lines[1], "zone" in lines[2], "minute" in lines[3]] == [
        True
    ] * 4


@pytest.mark.slow
def test_a_second_count_on_one_state_folder_is_refused(kafka: Kafka, here: Path) -> None:
    """The line names the process that has it."""
    counted = Counted(kafka)
    with counted.start() as counting:
        try:
            folder = here / ".millstream" / "live" / counted.group / "lock"
            until_s = time.monotonic() + 20
            while folder.read_text() != str(counting.pid):
                assert time.monotonic() < until_s
            line = refused(*counted.words)
        finally:
            counting.terminate()
            counting.wait(30)

    assert str(counting.pid) in line


# --- what it shows ----------------------------------------------------------------------------------------------------

COUNT = KafkaCount(brokers="broker:9092", topic="clicks", group="g")


def worker_news(totals: Totals, *progress: Progress) -> WorkerNews:
    """What a worker tells."""
    return WorkerNews(scanner="python", totals=totals, aborts=0, progress=progress)


def at(partition: int, position: int) -> Progress:
    """A partition with a hundred frames."""
    return Progress(partition=partition, position=position, end=100, watermark=1_468_244_340, idle=False)


def test_the_summary_counts_what_every_start_committed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that was started again counts from zero; both starts are in the summary."""
    with KafkaDisplay(COUNT, summary="s.json", is_quiet=False) as display:
        display.news("worker 0", 1, worker_news(Totals(frames=10, rejected=1), at(0, 10)))
        display.news("worker 0", 1, worker_news(Totals(frames=60, rejected=2), at(0, 60)))
        display.news("worker 0", 2, worker_news(Totals(frames=40, late=3), at(0, 100)))
        display.news(
            "merger", 1, MergerNews(active=True, replayed=True, watermark=1, totals=Totals(), refused=0, closed=7)
        )
    display.show()

    summary = json.loads((here / "s.json").read_text())
    assert {name: summary[name] for name in ("frames", "rejected", "late", "windows", "group", "users")} == {
        "frames": 100, "rejected": 2, "late": 3, "windows": 7, "group": "g", "users": None,
    }  # fmt: skip
    assert summary["error_rate"] == 0.02
    assert "100 frames committed" in capsys.readouterr().err


def test_too_many_losses_raise_an_alarm_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when nothing else is to be said; the count goes on."""
    with KafkaDisplay(COUNT, summary=None, is_quiet=True) as display:
        for part in (1, 2, 3):
            display.news("worker 0", 1, worker_news(Totals(frames=part * SPAN // 4, quarantined=part * SPAN // 20)))

    assert capsys.readouterr().err.count("alarm: more than") == 1


def test_without_a_terminal_a_line_is_told_now_and_then(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many frames, how far behind, and where the watermark is."""
    monkeypatch.setattr(showing, "LINE_EVERY_S", 0.0)
    with KafkaDisplay(COUNT, summary=None, is_quiet=False) as display:
        display.news("worker 0", 1, worker_news(Totals(frames=70), at(0, 70), at(1, 100)))
        news = MergerNews(active=True, replayed=True, watermark=1_468_244_340, totals=Totals(), refused=0, closed=2)
        display.news("merger", 1, news)
        display.idle()

    line = capsys.readouterr().err.splitlines()[-1]
    assert "70 frames" in line
    assert "30 behind in 2 partitions" in line
    assert "watermark 2016-07-11 13:39:00, 2 windows final" in line
