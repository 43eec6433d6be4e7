"""Live progress: what the rows count, what is drawn, and where nothing is."""

import logging
import threading

import pytest
from rich.console import Console

from millstream.cli.progress import LiveProgress, Row, progress
from millstream.config import Config, FilesConfig, StreamConfig
from millstream.core.lifecycle import State
from millstream.core.model import CutReason, Kind
from millstream.runtime.events import (
    AttemptEnded,
    BatchClaimed,
    BatchClosed,
    Event,
    Evicted,
    FilesPlanned,
    IntakeGoesOn,
    RecordsAccepted,
    TakenOver,
)

CONFIG = Config(streams=(StreamConfig(name="clicks", source="-", workers=4),), files=(FilesConfig(name="nightly"),))


def accepted(records: int, *, open_batches: int = 1) -> RecordsAccepted:
    """Records became durable."""
    return RecordsAccepted(pipeline="clicks", records=records, size_bytes=0, open_batches=open_batches, at=0.0)


def closed(batch_id: str) -> BatchClosed:
    """A minibatch was closed."""
    return BatchClosed(pipeline="clicks", batch_id=batch_id, cut=CutReason.TIME, records=1, late_s=0.0)


def planned(buckets: int) -> FilesPlanned:
    """Buckets were planned."""
    return FilesPlanned(
        pipeline="nightly",
        files=buckets,
        buckets=buckets,
        size_bytes=0,
        lower_bound=1,
        optimal=False,
        strategy="ff",
        est_makespan_s=None,
    )


def claimed(batch_id: str) -> BatchClaimed:
    """A batch was claimed."""
    return BatchClaimed(pipeline="clicks", batch_id=batch_id, attempt=1)


def ended(batch_id: str, state: State | None) -> AttemptEnded:
    """An attempt ended."""
    return AttemptEnded(
        pipeline="clicks",
        batch_id=batch_id,
        attempt=1,
        state=state,
        records=1,
        size_bytes=0,
        seconds=0.0,
        error=None,
    )


def row_after(*events: Event, kind: Kind = Kind.MINIBATCH) -> Row:
    """A row that noted these events."""
    row = Row(name="any", kind=kind, workers=2)
    for event in events:
        row.note(event)
    return row


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([], {"ended": 0, "total": 0, "retries": 0, "dead": 0}),
        ([accepted(3), accepted(4, open_batches=2)], {"accepted": 7, "open": 2}),
        ([closed("a"), closed("b"), claimed("a")], {"total": 2, "ended": 0}),
        ([closed("a"), claimed("a"), ended("a", State.DONE)], {"total": 1, "ended": 1, "dead": 0}),
        ([closed("a"), claimed("a"), ended("a", State.DISCARDED)], {"total": 1, "ended": 1, "dead": 0}),
        ([closed("a"), claimed("a"), ended("a", State.DEAD)], {"total": 1, "ended": 1, "dead": 1}),
        ([closed("a"), claimed("a"), ended("a", State.WAITING)], {"total": 1, "ended": 0, "retries": 1}),
        ([closed("a"), claimed("a"), ended("a", None)], {"total": 1, "ended": 0, "retries": 0}),
        ([claimed("old"), ended("old", State.DONE), claimed("older")], {"total": 2, "ended": 1}),
        ([planned(10)], {"total": 10, "ended": 0}),
        (
            [planned(10), Evicted(pipeline="nightly", batch_id="a", changed=2, gone=("/in/x",))],
            {"total": 13, "ended": 1, "dead": 1},
        ),
        ([IntakeGoesOn(pipeline="clicks")], {"total": 0}),
    ],
)
def test_a_row_counts(events: list[Event], counts: dict[str, int]) -> None:
    """Batches of an earlier run count as soon as they are claimed, so that never more have ended than there are."""
    row = row_after(*events)

    assert {name: getattr(row, name) for name in counts} == counts


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """Records per second since the oldest sample, of which five seconds are kept; none while there is only one."""
    row = row_after(accepted(1_000))

    first = row.rate(0.0)
    row.note(accepted(500))
    second = row.rate(0.5)
    later = [row.rate(0.5 + number / 5) for number in range(1, 40)]

    assert (first, second) == (0.0, 1_000.0)
    assert later[0] < second
    assert later[-1] == 0.0


def test_the_table_has_a_row_for_each_pipeline(screen: Console) -> None:
    """A stream shows what it takes in, files show a bar; busy workers are never more than there are."""
    clicks = Row(name="clicks", kind=Kind.MINIBATCH, workers=2, accepted=12_345, open=3, made=5, ended=1)
    clicks.claimed |= {"a", "b", "c"}
    nightly = Row(name="nightly", kind=Kind.BUCKET, workers=10, made=4, ended=2, retries=1, dead=1)

    screen.print(LiveProgress([clicks, nightly], console=screen, now=lambda: 0.0).render())

    lines = [line.split() for line in screen.file.getvalue().splitlines()]
    assert lines[0] == ["pipeline", "progress", "batches", "queue", "busy", "retries", "dead"]
    assert lines[1] == ["clicks", "12,345", "records,", "0/s,", "3", "open", "1/5", "3", "2/2", "0", "0"]
    assert lines[2] == ["nightly", "━" * 12, "2/4", "0", "0/10", "1", "1"]


def test_a_terminal_is_drawn_on_and_left_clean(screen: Console) -> None:
    """The display starts with the first event, lets messages through, and is gone in the end."""
    threads = threading.active_count()

    with LiveProgress([Row(name="clicks", kind=Kind.MINIBATCH, workers=2)], console=screen) as live:
        before = (threading.active_count(), screen.file.getvalue())
        live(TakenOver(epoch=1, batches=0))
        live(accepted(7))
        screen.print("a message")

    written = screen.file.getvalue()
    assert before == (threads, "")
    assert "a message" in written
    assert "7 records" in written
    assert written.endswith("\x1b[2K")  # the last line that was drawn is erased


def test_events_of_nobody_are_no_trouble(screen: Console) -> None:
    """An event of a pipeline that is not shown changes nothing."""
    with LiveProgress([], console=screen) as live:
        live(accepted(7))


@pytest.mark.parametrize(("is_quiet", "listeners"), [(True, 0), (False, 1)])
def test_a_pipe_gets_no_progress(is_quiet: bool, listeners: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard error is no terminal there are messages only, and with --quiet not even these."""
    with progress(CONFIG, is_quiet=is_quiet) as found:
        for listener in found:
            listener(TakenOver(epoch=1, batches=2))
            listener(accepted(7))

    err = capsys.readouterr().err
    assert len(found) == listeners
    assert ("took over 2 batches" in err) is not is_quiet
    assert "records" not in err


def test_a_terminal_gets_progress(monkeypatch: pytest.MonkeyPatch, screen: Console) -> None:
    """Every pipeline of the settings has its row, and messages are written above them."""
    monkeypatch.setattr("millstream.cli.progress.stderr_console", lambda: screen)

    with progress(CONFIG, is_quiet=False) as listeners:
        for listener in listeners:
            listener(claimed("clicks-1"))
        logging.getLogger("millstream").info("a message")

    written = screen.file.getvalue()
    assert "a message" in written
    assert "clicks" in written
    assert "1/4" in written
    assert "0/10" in written
