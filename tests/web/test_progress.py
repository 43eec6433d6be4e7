"""Rate and estimated end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.ingestion import ChunkRow, FileSpec, FileState, IngestionRow, Status
from millstream.core.lifecycle import State
from millstream.core.splitting import Chunk, Head, Position
from millstream.web.progress import Pace, pace

SIZE = 10_000


def job(*, status: Status = Status.RUNNING, done: int = 0, started: float | None = 0.0, **more: object) -> IngestionRow:
    """A job of 100 chunks of 100 bytes and 10 records, `done` of which are done."""
    values: dict[str, object] = {
        "spec": FileSpec(message_id="m", container="c", name="n", sink="out"),
        "seq": 1,
        "principal": "",
        "status": status,
        "found": FileState(version="v", size_bytes=SIZE, head=Head(names=(), start=0, fingerprint="0" * 32)),
        "planned_to": Position(offset=SIZE),
        "planned_all": True,
        "chunks_planned": 100,
        "chunks_running": 0,
        "chunks_done": done,
        "chunks_failed": 0,
        "bytes_done": 100 * done,
        "records_published": 10 * done,
        "records_rejected": 0,
        "out_bytes": 0,
        "waits_for": "",
        "error": "",
        "successor": "",
        "created_at": 0.0,
        "updated_at": 0.0,
        "started_at": started,
        "ended_at": None,
    }
    return IngestionRow(**{**values, **more})  # type: ignore[arg-type]


def chunks(ends: list[float]) -> list[ChunkRow]:
    """Done chunks that ended then."""
    return [
        ChunkRow(
            batch_id=f"m-{seq}",
            chunk=Chunk(seq=seq, start=100 * seq, end=100 * (seq + 1), first_record=10 * seq, records=10),
            state=State.DONE,
            attempts=1,
            published=10,
            rejected=0,
            error=None,
            claimed_at=at - 1,
            finished_at=at,
            not_before=None,
            owner=None,
        )
        for seq, at in enumerate(ends)
    ]


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """Chunks that ended earlier do not count; what is left takes as long as its bytes at that rate."""
    row = job(done=40)
    recent = chunks([*range(1, 11), *range(71, 101)])

    assert pace(row, recent=recent, now_s=100.0) == Pace(records_per_s=10.0, eta_s=60.0)


def test_a_young_job_is_measured_from_its_start() -> None:
    """Within the first half minute the rate is that since the start."""
    row = job(done=10, started=90.0)

    assert pace(row, recent=chunks([90.0 + number for number in range(1, 11)]), now_s=100.0).records_per_s == 10.0


def test_long_chunks_are_measured_from_the_start() -> None:
    """When none ended within half a minute the rate is the mean since the start."""
    row = job(done=2)

    assert pace(row, recent=chunks([100.0, 200.0]), now_s=300.0).records_per_s == pytest.approx(20 / 300)


def test_more_chunks_than_are_known() -> None:
    """When more ended within half a minute than are known, the time is that of the known ones."""
    row = job(done=1000)
    recent = chunks([99.0 + number / 100 for number in range(101)])

    assert pace(row, recent=recent, now_s=100.0).records_per_s == pytest.approx(1000.0)


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.QUEUED, Status.PAUSED])
def test_what_does_not_run_has_no_rate(status: Status) -> None:
    """Nobody can say when it will be done."""
    started = 0.0 if status is Status.PAUSED else None

    assert pace(job(status=status, done=1, started=started), recent=(), now_s=10.0) == Pace()


def test_an_ended_job_has_its_mean_rate() -> None:
    """At the end the rate is that of the whole, and does not change any more."""
    row = job(status=Status.SUCCEEDED, done=100, ended_at=50.0)

    assert pace(row, recent=(), now_s=1e6) == Pace(records_per_s=20.0, eta_s=None)


@given(
    ends=st.lists(st.floats(0, 1000), max_size=20),
    now=st.floats(0, 2000),
    done=st.integers(0, 100),
    start=st.floats(0, 10),
)
def test_no_rate_is_negative_or_without_bounds(ends: list[float], now: float, done: int, start: float) -> None:
    """Whatever the clock says, rate and estimate are not negative, and finite."""
    found = pace(job(done=done, started=start), recent=chunks(ends), now_s=now)

    for value in (found.records_per_s, found.eta_s):
        assert value is None or 0 <= value < float("inf")
