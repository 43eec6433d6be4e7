"""The verb `results`: the table of the newest windows, and JSON lines from a real broker."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from millstream.cli import main
from millstream.cli.results_table import KEPT, NewestWindows, deal
from millstream.counting.model import SIZES, Result, Size, Status
from processes import started
from servers.kafka import Kafka

NOON = 1_468_238_400


def result(start: int = NOON, *, by: Size = Size.MINUTE, users: int = 7, revision: int = 1, **more: object) -> Result:
    """The result of a window."""
    fields = {
        "low": users,
        "high": users,
        "exact": True,
        "status": Status.EARLY,
        "frames": 10,
        "late": 0,
        "watermark": start + 66,
        **more,
    }
    return Result(by=by, start=start, end=start + 60, users=users, revision=revision, **fields)


def drawn(windows: NewestWindows, *, lines: int = 20, trouble: str = "") -> list[str]:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(windows.table(lines=lines, trouble=trouble))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1))
def test_the_highest_revision_of_a_window_is_shown(revisions: list[tuple[int, int]]) -> None:
    """In whatever order revisions arrive, each window is shown once, with the highest one."""
    windows = NewestWindows()

    for minute, revision in revisions:
        windows.add([result(NOON + 60 * minute, revision=revision, users=revision)])

    best = {minute: max(r for m, r in revisions if m == minute) for minute, _ in revisions}
    assert [((each.start - NOON) // 60, each.users) for each in windows.newest(100)] == sorted(
        best.items(), reverse=True
    )


@given(st.dictionaries(st.sampled_from(SIZES), st.integers(0, 50)), st.integers(0, 100))
def test_lines_are_dealt_out_fairly(wanted: dict[Size, int], rows: int) -> None:
    """All lines are used as far as there are windows, and no size gets less than another unless it has no more."""
    shares = deal(wanted, rows)

    assert sum(shares.values()) == min(rows, sum(wanted.values()))
    assert all(shares[size] <= count for size, count in wanted.items())
    short = [shares[size] for size, count in wanted.items() if shares[size] < count]
    assert not short or max(shares.values(), default=0) - min(short) <= 1


def test_the_table_has_the_newest_windows_of_each_size() -> None:
    """Small sizes first, new windows first, bounds where a value is estimated, times in the zone that was named."""
    windows = NewestWindows(zone=ZoneInfo("Europe/Zurich"))
    windows.add(result(NOON + 60 * minute, users=1_000 + minute, status=Status.FINAL) for minute in range(5))
    year = result(1_451_602_800, by=Size.YEAR, users=9_000, low=8_990, high=9_020, exact=False, watermark=NOON + 306)
    windows.add([year])

    header, *rows, caption = drawn(windows, lines=6)

    assert header.split() == ["window", "start", "users", "bounds", "frames", "late", "revision", "status"]
    assert [row.split() for row in rows] == [
        ["minute", "2016-07-11", "14:04", "1,004", "exact", "10", "0", "1", "final"],
        ["2016-07-11", "14:03", "1,003", "exact", "10", "0", "1", "final"],
        ["year", "2016", "9,000", "\u00b120", "10", "0", "1", "early"],
    ]
    assert caption == "watermark 2016-07-11 14:05:06, times in Europe/Zurich"


def test_the_table_says_why_it_is_empty() -> None:
    """Before anything came it waits; when the broker is away it says so."""
    assert drawn(NewestWindows())[-1] == "waiting for results"
    assert drawn(NewestWindows(), trouble="Connection refused")[-1] == "the broker does not answer: Connection refused"


def test_old_windows_are_forgotten() -> None:
    """However many windows there were, a bounded number is kept, the newest ones."""
    windows = NewestWindows()

    windows.add(result(NOON + 60 * minute) for minute in range(5 * KEPT))

    kept = windows.newest(10 * KEPT)
    assert KEPT <= len(kept) <= 2 * KEPT
    assert [each.start for each in kept] == [NOON + 60 * (5 * KEPT - 1 - back) for back in range(len(kept))]


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Results of two sizes in two partitions, with a tombstone and something that is no result."""
    name = kafka.topic(2)
    kafka.send(name, [each.encode() for each in MINUTES] + [None, b"no result"], partition=0)
    kafka.send(name, [each.encode() for each in YEARS], partition=1)
    return name


MINUTES = [result(revision=1), result(revision=2, users=8), result(NOON + 60)]
YEARS = [result(1_451_606_400, by=Size.YEAR)]


def documents(results: Sequence[Result]) -> list[object]:
    return [json.loads(each.encode()) for each in results]


def test_a_pipe_gets_every_result(kafka: Kafka, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each result is a line as it was written; what is none is counted on standard error."""
    code = main(["results", kafka.url(topic), "--once"])
    out, err = capfd.readouterr()
    found = [json.loads(line) for line in out.splitlines()]

    assert code == 0
    assert [each for each in found if each["by"] == "minute"] == documents(MINUTES)
    assert [each for each in found if each["by"] == "year"] == documents(YEARS)
    assert len(found) == 4
    assert err == "left out 1 record that hold no result\n"


def test_sizes_and_a_start_choose(kafka: Kafka, topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    """--by leaves other sizes out, and from the end on there is nothing."""
    main(["results", kafka.url(topic), "--once", "--by", "day, year", "--quiet"])
    some = capfd.readouterr().out
    main(["results", kafka.url(topic), "--once", "--from", "latest"])

    assert [json.loads(line) for line in some.splitlines()] == documents(YEARS)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_results_are_shown_as_they_come(kafka: Kafka) -> None:
    """Without an end it follows the topic until a signal, which is no error."""
    topic = kafka.topic()
    with started(
        [sys.executable, "-m", "millstream", "results", kafka.url(topic)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = []
        for each in MINUTES:
            kafka.send(topic, [each.encode()])
            shown.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)

    assert process.returncode == 0
    assert shown == documents(MINUTES)


def test_a_person_gets_a_table(
    kafka: Kafka, topic: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal --once leaves one table with the highest revision of each window."""
    for name, value in {"COLUMNS": "100", "LINES": "30", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    main(["results", kafka.url(topic), "--once", "--by", "minute", "--quiet"])
    _, first, second, _ = capsys.readouterr().out.splitlines()

    assert first.split()[:4] == ["minute", "2016-07-11", "12:01", "7"]
    assert second.split()[:3] == ["2016-07-11", "12:00", "8"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--by", "minute,fortnight"],
            "by: expected some of minute,hour,day,week,month,year, with commas between them",
        ),
        (["--zone", "Mars/Phobos"], "zone: expected a time zone"),
    ],
)
def test_wrong_words_are_refused(
    kafka: Kafka, topic: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is one line."""
    code = main(["results", kafka.url(topic), *words])

    assert code == 2
    assert message in capsys.readouterr().err
