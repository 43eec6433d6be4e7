"""The words of `explain`: for each situation the sentences, as a truth table."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from millstream.cli.ledger_access import Surroundings
from millstream.cli.reasons import Case, explain_batch, explain_file
from millstream.core.hold import Hold
from millstream.core.lifecycle import State
from millstream.core.model import CutReason, Kind
from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow
from millstream.core.terms import Terms

NOON = datetime(2025, 7, 20, 12, 0, tzinfo=UTC).timestamp()
TERMS = Terms(workers=10, retries=5)
ENGINE = Surroundings(engine_pid=77, now_s=NOON, terms={"clicks": TERMS, "nightly": TERMS})
NO_ENGINE = replace(ENGINE, engine_pid=None)
OTHER_ENGINE = replace(ENGINE, terms={"nightly": TERMS})
UNKNOWN_TERMS = replace(ENGINE, terms=None)
OPEN = BatchRow(
    id="clicks-1",
    pipeline="clicks",
    kind=Kind.MINIBATCH,
    state=State.OPEN,
    key=None,
    cut=None,
    records=3,
    size_bytes=30,
    opened_at=NOON - 60,
    closes_at=NOON + 240,
    closed_at=None,
    last_at=NOON - 10,
    attempts=0,
    failures=0,
    fence=0,
    not_before=None,
    claimed_at=None,
    started_at=None,
    finished_at=None,
    owner=None,
    paused=False,
    cancelled=False,
    oversize=False,
    cost_s=0.0,
    error=None,
    log="main",
    start=0,
    ranges=(),
    checksum=0,
)
PASSED = "its deadline passed at 11:59:55"
OVERDUE = replace(OPEN, closes_at=NOON - 5)
READY = replace(OPEN, state=State.READY, cut=CutReason.COUNT, closed_at=NOON - 20)
BUCKET = replace(
    READY, id="nightly-a", pipeline="nightly", kind=Kind.BUCKET, cut=None, closes_at=None, size_bytes=25_000_000
)
RUNNING = replace(READY, state=State.RUNNING, attempts=1, owner="engine/3", claimed_at=NOON - 8)
STARTED = replace(RUNNING, started_at=NOON - 7.5)
WAITING = replace(READY, state=State.WAITING, attempts=2, failures=2, not_before=NOON + 2, error="ValueError: x")
DONE = replace(READY, state=State.DONE, attempts=2, failures=1, finished_at=NOON - 1)
DISCARDED = replace(READY, state=State.DISCARDED, attempts=1, finished_at=NOON - 1)
DEAD = replace(READY, state=State.DEAD, attempts=2, failures=2, finished_at=NOON - 1, error="ValueError: x")


def attempt(number: int, *, ended: float, outcome: str = "retry", error: str | None = "ValueError: x") -> AttemptRow:
    """An attempt on clicks-1 that ended so many seconds before noon, after one second."""
    return AttemptRow(
        batch_id="clicks-1",
        attempt=number,
        claimed_at=NOON - ended - 1,
        ended_at=NOON - ended,
        outcome=outcome,
        seconds=1.0,
        error=error,
        owner="engine/3",
    )


def event(what: str, *, ago: float, detail: str = "", batch_id: str = "clicks-1") -> EventRow:
    """An event so many seconds before noon."""
    return EventRow(at=NOON - ago, batch_id=batch_id, what=what, detail=detail)


def why(batch: BatchRow, around: Surroundings = ENGINE, **more: object) -> list[str]:
    """The sentences on a batch."""
    return explain_batch(Case(batch=batch, around=around, **more))


# --- open -------------------------------------------------------------------------------------------------------------


def test_an_open_batch_says_when_and_why_it_closes() -> None:
    """The plain case is one sentence."""
    assert why(OPEN) == ["open since 11:59:00, closes at 12:04:00 by time; 3 records"]


@pytest.mark.parametrize(
    ("closes_at", "terms", "fate"),
    [
        (
            NOON + 240,
            Terms(workers=1, retries=0, idle_gap_s=30),
            "at 12:04:00 by time, or at 12:00:20 by idle gap if nothing else arrives",
        ),
        (NOON + 240, Terms(workers=1, retries=0, idle_gap_s=900), "at 12:04:00 by time"),
        (NOON + 240, Terms(workers=1, retries=0, max_count=100), "at 12:04:00 by time, or at 100 records"),
        (NOON + 240, Terms(workers=1, retries=0, max_bytes=10_000), "at 12:04:00 by time, or at 10 kB"),
        (None, Terms(workers=1, retries=0, max_count=1), "at 1 record, or when its input ends"),
        (
            None,
            Terms(workers=1, retries=0, idle_gap_s=30),
            "at 12:00:20 by idle gap if nothing else arrives, or when its input ends",
        ),
        (None, Terms(workers=1, retries=0), "when its input ends"),
    ],
)
def test_an_open_batch_names_every_limit(closes_at: float | None, terms: Terms, fate: str) -> None:
    """Time comes first, then what may come earlier; an idle gap that ends later than the window is left out."""
    (sentence,) = why(replace(OPEN, closes_at=closes_at), replace(ENGINE, terms={"clicks": terms}))

    assert sentence == f"open since 11:59:00, closes {fate}; 3 records"


@pytest.mark.parametrize(
    ("batch", "around", "sentences"),
    [
        (
            OPEN,
            NO_ENGINE,
            [
                "open since 11:59:00, closes at 12:04:00 by time; 3 records",
                "no engine is running on this state folder; its deadline stays what it is",
            ],
        ),
        (
            OVERDUE,
            NO_ENGINE,
            [
                f"open since 11:59:00, closes at once when an engine is started: {PASSED}; 3 records",
                "no engine is running on this state folder",
            ],
        ),
        (
            OVERDUE,
            OTHER_ENGINE,
            [
                f"open since 11:59:00, closes at once when an engine is started: {PASSED}; 3 records",
                "the engine that is running does not work on pipeline clicks",
            ],
        ),
        (OVERDUE, ENGINE, [f"open since 11:59:00, is being closed: {PASSED}; 3 records"]),
    ],
)
def test_a_deadline_holds_without_an_engine(batch: BatchRow, around: Surroundings, sentences: list[str]) -> None:
    """Whether a deadline has passed and whether somebody is there to notice are two questions."""
    assert why(batch, around) == sentences


def test_a_cancelled_open_batch_says_what_happens_when_it_closes() -> None:
    """It stays open until its time, and is discarded then."""
    sentences = why(replace(OPEN, cancelled=True), events=(event("cancelled", ago=30),))

    assert sentences[1] == "cancelled by an operator at 11:59:30: it is discarded when it closes"


# --- ready, running, waiting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "around", "position", "sentences"),
    [
        (
            READY,
            ENGINE,
            0,
            [
                "closed at 11:59:40 by count, 3 records; waits for one of 10 workers",
                "it is the next of clicks to be claimed",
            ],
        ),
        (
            READY,
            UNKNOWN_TERMS,
            4,
            [
                "closed at 11:59:40 by count, 3 records; waits for a worker",
                "before it in the queue: 4 ready batches of clicks",
            ],
        ),
        (
            READY,
            NO_ENGINE,
            4,
            [
                "closed at 11:59:40 by count, 3 records",
                "no engine is running on this state folder; the next one to run clicks works it",
            ],
        ),
        (
            replace(BUCKET, records=1),
            ENGINE,
            1,
            [
                "planned at 11:59:40, 1 file; waits for one of 10 workers",
                "before it in the queue: 1 ready batch of nightly",
            ],
        ),
    ],
)
def test_a_ready_batch_waits_for_a_worker_or_an_engine(
    batch: BatchRow, around: Surroundings, position: int, sentences: list[str]
) -> None:
    """With an engine it waits in the queue of its pipeline."""
    assert why(batch, around, queue_position=position) == sentences


def test_a_paused_batch_says_who_holds_it_back() -> None:
    """An operator paused the batch, or all work, or both; the time is that of the last pause, if it is kept."""
    own = (event("paused", ago=50), event("resumed", ago=40), event("paused", ago=30))
    batch = replace(READY, paused=True)

    assert why(batch, events=own) == [
        "closed at 11:59:40 by count, 3 records",
        "held back: paused by an operator at 11:59:30; `millstream resume clicks-1` lets it go",
    ]
    assert why(READY, replace(ENGINE, is_paused=True), events_of_all=(event("paused", ago=20, batch_id=""),)) == [
        "closed at 11:59:40 by count, 3 records",
        "held back: all work was paused by an operator at 11:59:40; `millstream resume` lets it go",
    ]
    assert why(replace(OPEN, paused=True))[1:] == [
        "held back: paused by an operator; `millstream resume clicks-1` lets it go"
    ]
    assert len(why(replace(DEAD, paused=True), replace(ENGINE, is_paused=True))) == 2


def test_what_workers_cannot_be_told_of_says_why() -> None:
    """Only what is ready: whoever works it was told."""
    hold = Hold(since=NOON - 30, reason="store: /shared cannot be reached: no such folder")

    assert why(READY, hold=hold)[-1] == (
        "held back: its engine cannot tell workers of it since 11:59:30: "
        "store: /shared cannot be reached: no such folder"
    )
    assert why(STARTED, hold=hold) == why(STARTED)
    assert why(OPEN, hold=hold) == why(OPEN)


@pytest.mark.parametrize(
    ("batch", "around", "sentences"),
    [
        (
            RUNNING,
            ENGINE,
            [
                (
                    "claimed by engine/3 at 11:59:52 for attempt 1 of 6; "
                    "that waits for a worker or has just begun; 3 records"
                )
            ],
        ),
        (STARTED, ENGINE, ["attempt 1 of 6 runs on engine/3: began at 11:59:52, 7.5s ago; 3 records"]),
        (
            replace(STARTED, attempts=2, failures=1),
            ENGINE,
            ["attempt 2 of 6 runs on engine/3: began at 11:59:52, 7.5s ago; 3 records"],
        ),
        (
            replace(STARTED, attempts=2, failures=0),
            ENGINE,
            ["attempt 2 of 7 runs on engine/3: began at 11:59:52, 7.5s ago; 3 records"],
        ),
        (STARTED, UNKNOWN_TERMS, ["attempt 1 runs on engine/3: began at 11:59:52, 7.5s ago; 3 records"]),
        (
            STARTED,
            NO_ENGINE,
            [
                "attempt 1 of 6 was claimed at 11:59:52 by engine/3, which has ended",
                "no engine is running on this state folder; the next one to run clicks gives it another attempt",
            ],
        ),
    ],
)
def test_a_running_batch_says_where(batch: BatchRow, around: Surroundings, sentences: list[str]) -> None:
    """The last possible attempt is counted from the failures, so an attempt that was not charged adds one."""
    assert why(batch, around) == sentences


@pytest.mark.parametrize(
    ("batch", "around", "sentences"),
    [
        (WAITING, ENGINE, ["attempt 2 of 6 failed 3s ago: ValueError: x; next attempt at 12:00:02"]),
        (
            replace(WAITING, not_before=NOON),
            ENGINE,
            ["attempt 2 of 6 failed 3s ago: ValueError: x; next attempt as soon as it can be claimed"],
        ),
        (
            WAITING,
            NO_ENGINE,
            [
                "attempt 2 of 6 failed 3s ago: ValueError: x; next attempt at 12:00:02",
                "no engine is running on this state folder; the next one to run clicks tries it",
            ],
        ),
    ],
)
def test_a_waiting_batch_says_what_failed_and_what_is_next(
    batch: BatchRow, around: Surroundings, sentences: list[str]
) -> None:
    """Its last attempt is told first, the earlier ones below."""
    first = "attempt 1 failed at 11:59:50 after 1s: ValueError: y"

    attempts = (attempt(1, ended=10, error="ValueError: y"), attempt(2, ended=3))

    assert why(batch, around, attempts=attempts) == [*sentences, first]


def test_a_changed_file_is_given_time_to_settle() -> None:
    """A bucket that was made for a changed file waits before its first attempt, and tells where the file came from."""
    detail = "/in/a changed before it was worked (1-1-1 -> 2-2-1)"
    batch = replace(BUCKET, state=State.WAITING, not_before=NOON + 2)

    assert why(batch, events=(event("evicted", ago=1, detail=detail),)) == [
        "its file had changed and is given time to settle; first attempt at 12:00:02",
        f"at 11:59:59: {detail}",
    ]


# --- done, discarded, dead --------------------------------------------------------------------------------------------


def test_a_done_batch_says_when_and_how_long() -> None:
    """Failed attempts are told after that, and what the handler had to say."""
    attempts = (attempt(1, ended=9), attempt(2, ended=1, outcome="done", error="4 rows"))

    assert why(DONE, NO_ENGINE, attempts=attempts) == [
        "done at 11:59:59 by attempt 2, which took 1s; 3 records",
        "that was 19s after it was closed",
        "its handler says: 4 rows",
        "attempt 1 failed at 11:59:51 after 1s: ValueError: x",
    ]


def test_a_discarded_batch_says_who_gave_it_up() -> None:
    """The handler, with its reason if it gave one, or an operator."""
    reason = replace(DISCARDED, error="no such customer")

    assert why(reason) == ["discarded at 11:59:59: no such customer; 3 records"]
    assert why(DISCARDED) == ["discarded at 11:59:59: its handler gave no reason; 3 records"]
    assert why(replace(DISCARDED, error="cancelled"), events=(event("cancelled", ago=1),)) == [
        "cancelled by an operator at 11:59:59; 3 records"
    ]


def test_a_dead_batch_lists_all_attempts_and_what_to_do() -> None:
    """Failures, lost workers, drains, evictions and earlier rescues, in order of time."""
    attempts = (
        attempt(1, ended=70, outcome="lost", error="the engine ended while it was worked"),
        attempt(2, ended=60, outcome="released", error="given back by a drain"),
        attempt(3, ended=40, outcome="evicted", error="files left the bucket"),
        attempt(4, ended=1),
    )
    events = (event("revived", ago=50, detail="retry asked for by an operator"),)

    assert why(replace(DEAD, attempts=4), attempts=attempts, events=events) == [
        "dead since 11:59:59 after 4 attempts: ValueError: x; 3 records",
        "`millstream retry clicks-1` makes it ready again, `millstream cancel clicks-1` gives it up",
        "attempt 1 was lost at 11:58:50 after 1s: the engine ended while it was worked",
        "attempt 2 was given back at 11:59:00 after 1s: given back by a drain",
        "at 11:59:10: retry asked for by an operator",
        "attempt 3 ended before its handler was called at 11:59:20 after 1s: files left the bucket",
        "attempt 4 failed at 11:59:59 after 1s: ValueError: x",
    ]


def test_a_missing_file_is_dead_without_an_attempt() -> None:
    """A bucket whose file disappeared was never tried."""
    batch = replace(
        BUCKET, state=State.DEAD, records=1, finished_at=NOON, error="/in/a disappeared before it was worked"
    )

    assert why(batch)[0] == "dead since 12:00:00: /in/a disappeared before it was worked; 1 file"


# --- peculiarities ----------------------------------------------------------------------------------------------------


def test_an_oversize_bucket_says_so() -> None:
    """Its file did not fit into any bucket."""
    sentences = why(replace(BUCKET, oversize=True, records=1))

    assert sentences[-1] == "its only file, 25 MB, is larger than a bucket may be and has one of its own"


def test_a_suspect_says_why_it_is_worked_alone() -> None:
    """As long as it is not over."""
    text = "it was among several when a worker host died, so it is worked alone: if that dies again, it was this one"

    assert why(replace(READY, alone=True))[-1] == text
    assert text not in why(replace(DEAD, alone=True))


def test_a_fast_clock_is_told() -> None:
    """At another speed than the wall's, times mean nothing without the engine's now; what is over needs none."""
    fast = replace(ENGINE, speed=300.0)
    text = "all times are the engine's: its clock shows 12:00:00 now and runs 300 times as fast as the wall's"

    assert why(OPEN, fast)[-1] == text
    assert text not in why(DONE, fast)


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_words(state: State) -> None:
    """Whatever else is unknown, there is a first sentence."""
    sentence = why(replace(OPEN, state=state), Surroundings(engine_pid=None, now_s=NOON))[0]

    assert sentence


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_tells_what_became_of_each_version() -> None:
    """One sentence for each version, with its pipeline, in the order of the rows."""
    row = FileRow(
        pipeline="nightly",
        path="/in/a",
        version="1-1-1",
        size_bytes=1_000,
        state="",
        batch_id="b",
        sha256=None,
        seen_at=NOON,
    )
    states = ("superseded", "planned", "done", "discarded", "dead")

    sentences = explain_file(
        [replace(row, state=state, sha256="ab" if state == "done" else None) for state in states], now_s=NOON
    )

    start = "nightly: the version seen at 12:00:00 (1 kB) "
    assert sentences == [
        start + "had changed before it was worked, and a newer version took its place",
        start + "is in bucket b",
        start + "was worked in bucket b, SHA-256 ab",
        start + "was discarded with bucket b",
        start + "is in bucket b, which is dead",
    ]
