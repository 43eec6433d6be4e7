"""What a run is said to have done, added up from its events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.lifecycle import State
from millstream.core.model import CutReason, Kind
from millstream.runtime.events import (
    AttemptEnded,
    BatchClosed,
    Draining,
    Evicted,
    FilesListed,
    FilesPlanned,
    RecordsAccepted,
    TakenOver,
)
from millstream.runtime.summary import REMEMBERED, Tallies, Tally


def closed(*, cut: CutReason = CutReason.TIME, late_s: float | None = 0.01) -> BatchClosed:
    """A minibatch of three records was closed."""
    return BatchClosed(pipeline="s", batch_id="b", cut=cut, records=3, late_s=late_s)


def ended(state: State | None, *, pipeline: str = "s", records: int = 3) -> AttemptEnded:
    """An attempt on a batch of ten bytes per record ended."""
    return AttemptEnded(
        pipeline=pipeline,
        batch_id="b",
        attempt=1,
        state=state,
        records=records,
        size_bytes=10 * records,
        seconds=0.1,
        error=None,
    )


def test_a_stream_adds_up() -> None:
    """Every word of the summary of `stream` is counted from the events of that pipeline alone."""
    tallies = Tallies({"s": Kind.MINIBATCH, "other": Kind.MINIBATCH}, began_at=1000.0, speed=300.0)
    for event in (
        TakenOver(epoch=2, batches=1),
        RecordsAccepted(pipeline="s", at=1300.0, records=4, size_bytes=40, open_batches=1),
        RecordsAccepted(pipeline="s", at=1600.0, records=8, size_bytes=80, open_batches=1),
        closed(late_s=0.02),
        closed(cut=CutReason.COUNT, late_s=None),
        ended(State.DONE),
        ended(State.DONE, records=5),
        ended(State.WAITING),
        ended(State.DEAD),
        ended(State.DISCARDED),
        ended(State.READY),
        ended(None),
        ended(State.DONE, pipeline="other"),
        ended(State.DONE, pipeline="unknown"),
        Draining(drain="keep", limit_s=30.0),
    ):
        tallies(event)
    tallies.of["s"].seconds, tallies.of["s"].kept = 2.5, 1

    assert tallies.of["s"].as_dict() == {
        "pipeline": "s",
        "batches_ok": 2,
        "batches_failed": 1,
        "batches_discarded": 1,
        "batches_kept": 1,
        "messages_processed": 8,
        "bytes_processed": 80,
        "records_accepted": 12,
        "closed_by": {"count": 1, "time": 1},
        "close_lateness_p99_s": 0.02,
        "records_per_s": 6.0,
        "retries": 1,
        "seconds": 2.5,
    }
    assert tallies.of["other"].ok == 1


def test_files_add_up() -> None:
    """Every word of the summary of `files`; files that are not ready are those of the last look."""
    tallies = Tallies({"f": Kind.BUCKET})
    listed = FilesListed(pipeline="f", listed=9, new=9, unsettled=("a", "b"), refused=(("c", "link"),), ignored=1)
    later = FilesListed(pipeline="f", listed=9, new=0, unsettled=(), refused=(("c", "link"),), ignored=1)
    planned = FilesPlanned(
        pipeline="f",
        files=9,
        buckets=4,
        size_bytes=90,
        lower_bound=3,
        optimal=False,
        strategy="ffd",
        est_makespan_s=None,
    )
    for event in (
        listed,
        planned,
        later,
        planned,
        Evicted(pipeline="f", batch_id="b", changed=2, gone=("x",)),
        ended(State.DONE, pipeline="f", records=4),
        ended(State.DEAD, pipeline="f"),
    ):
        tallies(event)

    assert tallies.of["f"].as_dict() == {
        "pipeline": "f",
        "buckets_ok": 1,
        "buckets_failed": 2,
        "buckets_discarded": 0,
        "buckets_kept": 0,
        "files_processed": 4,
        "bytes_processed": 40,
        "files_refused": 1,
        "files_unsettled": 0,
        "files_changed": 2,
        "files_gone": 1,
        "buckets_planned": 8,
        "lower_bound": 6,
        "retries": 0,
        "seconds": 0.0,
    }


def test_nothing_happened() -> None:
    """There is neither a rate nor a lateness, and nothing is divided by zero."""
    summary = Tally(name="s", kind=Kind.MINIBATCH).as_dict()

    assert (summary["records_per_s"], summary["close_lateness_p99_s"], summary["closed_by"]) == (0.0, 0.0, {})


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_ninety_nine_of_a_hundred_were_not_later(lateness_s: list[float]) -> None:
    """The percentile is one of the values, and at most one of a hundred is above it."""
    tally = Tally(name="s", kind=Kind.MINIBATCH)
    for late_s in lateness_s:
        tally.note(closed(late_s=late_s))

    p99_s = tally.lateness_p99_s
    above = [late_s for late_s in lateness_s if late_s > p99_s]
    assert p99_s in lateness_s
    assert len(above) <= len(lateness_s) / 100


@pytest.mark.parametrize(("records", "expected"), [(100, 99.0), (1, 0.0), (101, 99.0)])
def test_the_percentile_of_known_numbers(records: int, expected: float) -> None:
    """Of 0, 1, 2, ... it is the first that no more than one in a hundred could exceed."""
    tally = Tally(name="s", kind=Kind.MINIBATCH)
    for late_s in range(records):
        tally.note(closed(late_s=float(late_s)))

    assert tally.lateness_p99_s == expected


def test_a_stream_without_end_needs_no_more_memory() -> None:
    """Lateness is remembered of the last minibatches only."""
    tally = Tally(name="s", kind=Kind.MINIBATCH)
    for _ in range(REMEMBERED):
        tally.note(closed(late_s=9.0))
    for _ in range(REMEMBERED):
        tally.note(closed(late_s=0.5))

    assert tally.lateness_p99_s == 0.5
    assert len(tally.lateness_s) == REMEMBERED
    assert tally.closed["time"] == 2 * REMEMBERED
