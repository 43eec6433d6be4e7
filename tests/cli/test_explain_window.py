"""`millstream explain window`: of a live count by its topic or its state folder, of a count of files, and of none."""

import json
from pathlib import Path

import pytest

pytest.importorskip("datasketches")
pytest.importorskip("confluent_kafka")

from crash.count_kafka.site import Site
from crash.count_kafka.traffic import minutes
from millstream.cli import main
from millstream.wiring.explain_count import note_last_count
from servers.kafka import Kafka

START_S = 1_468_244_340


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What it says, as JSON."""
    assert main(["explain", "window", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["because"]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The line of a refusal."""
    assert main(["explain", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_window_of_a_finished_count_of_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is final, with its users and frames."""
    (here / "f.jsonl").write_bytes(b"".join(b'{"uid":"u%d","ts":%d}\n' % (n % 5, START_S + n) for n in range(100)))
    assert main(["count", "f.jsonl", "--output", "o.jsonl", "--state", "st", "--quiet"]) == 0
    capsys.readouterr()

    because = explain(capsys, f"minute:{START_S}", "--state", "st")

    assert "is closed: final, and never revised" in because[0]
    assert "5 users in 60 frames, 0 of them late; revision 1" in because[1]


def test_a_word_that_names_no_window_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the one that was meant, where it can be known."""
    (here / "f.jsonl").write_bytes(b'{"uid":"u","ts":%d}\n' % START_S)
    main(["count", "f.jsonl", "--output", "o.jsonl", "--state", "st", "--quiet"])
    capsys.readouterr()

    assert f"minute:{START_S}" in " ".join(explain(capsys, f"minute:{START_S + 1}", "--state", "st"))
    assert "expected a size" in " ".join(explain(capsys, "fortnight:0", "--state", "st"))


def test_where_nothing_was_counted_it_says_what_to_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A topic or a state folder."""
    line = refused(capsys, "window", f"minute:{START_S}")

    assert "expected a count with its state in .millstream, found none" in line
    assert "kafka://" in line


def test_more_than_one_topic_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    line = refused(capsys, "window", f"minute:{START_S}", "kafka://a:1/b", "kafka://a:1/c")

    assert "expected a window and at most one topic" in line


@pytest.mark.slow
def test_a_live_count_is_found_by_topic_or_by_state_folder(
    kafka: Kafka, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open with what it waits for, closed with its value, unknown as such; before the first commit, that."""
    with Site(here, kafka, partitions=1) as site:
        address, group = kafka.url(site.topic), site.group
        kafka.topic(name=f"{group}-state", config={"cleanup.policy": "compact"})
        before = explain(capsys, f"minute:{START_S}", address, "--group", group)
        site.send(minutes(0, 10, partitions=1))
        with site.start(state="state"):
            site.wait_for(lambda newest: f"minute:{START_S + 300}" in newest, what="some minutes")
        by_topic = explain(capsys, f"minute:{START_S}", address, "--group", group)
        by_folder = explain(capsys, f"minute:{START_S}", "--state", "state")
        still_open = explain(capsys, "year:1451606400", address, "--group", group)
        unknown = explain(capsys, f"minute:{START_S - 600}", address, "--group", group)

    assert "has not put anything out yet" in before[0]
    assert "is closed: final" in by_topic[0]
    assert by_folder == by_topic
    assert "is open: it ends when the watermark reaches 2017-01-01" in still_open[0]
    assert any("partition 0 " in line for line in still_open)
    assert "is not open" in unknown[0]


def test_the_last_count_of_a_folder_is_remembered(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its broker is asked, and told to be away when it is."""
    note_last_count(here, source="kafka://127.0.0.1:1/clicks", group="g")

    line = refused(capsys, "window", f"minute:{START_S}", "--state", str(here))

    assert "kafka: 127.0.0.1:1: expected a Kafka broker, found none that answers" in line
