"""Why a batch or a file is where it is, in plain words.

Theory of operation: from rows of the ledger to sentences, with no I/O: what the state means for this batch comes first,
then what holds it back, then what is peculiar about it, then what happened before. All times are engine seconds and
shown on the engine's clock, which is the wall's unless the engine runs at another speed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from millstream.cli.ledger_access import Surroundings
from millstream.cli.output import counted, local_time, rough_duration
from millstream.core.hold import Hold
from millstream.core.ingestion import PIPELINE
from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import Kind
from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow
from millstream.core.terms import Terms
from millstream.core.units import format_size

FILE_STATES = {
    "planned": "is in bucket {batch}",
    "done": "was worked in bucket {batch}",
    "discarded": "was discarded with bucket {batch}",
    "dead": "is in bucket {batch}, which is dead",
    "superseded": "had changed before it was worked, and a newer version took its place",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A batch with all that says why it is where it is.

    `queue_position` counts the ready batches that are claimed before it; `events` are its own, `events_of_all` those
    that are no batch's; `hold` keeps its engine from having it worked.
    """

    batch: BatchRow
    around: Surroundings
    attempts: tuple[AttemptRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    events_of_all: tuple[EventRow, ...] = ()
    queue_position: int = 0
    hold: Hold | None = None

    @property
    def terms(self) -> Terms | None:
        """How its pipeline was worked by the engine that was started last, None when that is not known."""
        return (self.around.terms or {}).get(self.batch.pipeline)

    @property
    def absence(self) -> str | None:
        """Why nobody works on its pipeline now, None when somebody does, or may.

        Who works chunks leaves no terms, and in a shared ledger nobody's are complete; nor can be seen there whether an
        engine runs that closes minibatches.
        """
        around = self.around
        if around.absence is not None:
            return None if around.is_shared and self.batch.state is State.OPEN else around.absence
        if around.is_shared or self.batch.pipeline == PIPELINE:
            return None
        if around.terms is not None and self.terms is None:
            return f"the engine that is running does not work on pipeline {self.batch.pipeline}"
        return None

    @property
    def this_attempt(self) -> str:
        """The attempt that runs or failed last, and the number of the last one that there can be: `attempt 2 of 6`."""
        batch, terms = self.batch, self.terms
        if terms is None:
            return f"attempt {batch.attempts}"
        left = terms.retries + 1 - batch.failures - (batch.state is State.RUNNING)
        return f"attempt {batch.attempts} of {batch.attempts + max(0, left)}"

    @property
    def content(self) -> str:
        """How many records or files it holds, or that it finds chunks."""
        if self.batch.kind is Kind.PLAN:
            return "a plan step"
        return counted(self.batch.records, "file" if self.batch.kind is Kind.BUCKET else "record")

    def time(self, at_s: float | None) -> str:
        """An engine time as it is shown."""
        return "an unknown time" if at_s is None else local_time(at_s, now_s=self.around.now_s)

    def ago(self, at_s: float) -> str:
        """How long ago an engine time is, as `3s ago`."""
        return f"{rough_duration(max(0.0, self.around.now_s - at_s))} ago"

    def when(self, what: str, *, among: Sequence[EventRow]) -> str:
        """The time of the newest event of that kind, as ` at 12:04:10`; empty when it is not kept any more."""
        times = [event.at for event in among if event.what == what]
        return f" at {self.time(times[-1])}" if times else ""


def explain_batch(case: Case) -> list[str]:
    """Why a batch is where it is, the most important first."""
    return [*_STATES[case.batch.state](case), *_held_back(case), *_peculiar(case), *_history(case), *_clock(case)]


def explain_file(versions: Sequence[FileRow], *, now_s: float) -> list[str]:
    """What became of each version of a file, oldest first."""
    return [
        f"{row.pipeline}: the version seen at {local_time(row.seen_at, now_s=now_s)} ({format_size(row.size_bytes)}) "
        + FILE_STATES[row.state].format(batch=row.batch_id)
        + (f", SHA-256 {row.sha256}" if row.sha256 else "")
        for row in versions
    ]


# --- states -----------------------------------------------------------------------------------------------------------


def _open(case: Case) -> Iterator[str]:
    dues = [due for due in (case.batch.closes_at, _idle_due(case)) if due is not None]
    passed = min(dues, default=case.around.now_s + 1) <= case.around.now_s
    if not passed:
        fate = "closes " + ", or ".join(_ways_to_close(case))
    elif case.absence:
        fate = f"closes at once when an engine is started: its deadline passed at {case.time(min(dues))}"
    else:
        fate = f"is being closed: its deadline passed at {case.time(min(dues))}"
    yield f"open since {case.time(case.batch.opened_at)}, {fate}; {case.content}"
    if case.absence:
        yield case.absence if passed else f"{case.absence}; its deadline stays what it is"
    if case.batch.cancelled:
        yield f"cancelled by an operator{case.when('cancelled', among=case.events)}: it is discarded when it closes"


def _idle_due(case: Case) -> float | None:
    """When it closes if nothing else arrives."""
    if case.terms is None or case.terms.idle_gap_s is None or case.batch.last_at is None:
        return None
    return case.batch.last_at + case.terms.idle_gap_s


def _ways_to_close(case: Case) -> Iterator[str]:
    """By time always first, then by what may come earlier."""
    closes_at, idle_due, terms = case.batch.closes_at, _idle_due(case), case.terms
    if closes_at is not None:
        yield f"at {case.time(closes_at)} by time"
    if idle_due is not None and (closes_at is None or idle_due < closes_at):
        yield f"at {case.time(idle_due)} by idle gap if nothing else arrives"
    if terms is not None and terms.max_count is not None:
        yield f"at {counted(terms.max_count, 'record')}"
    if terms is not None and terms.max_bytes is not None:
        yield f"at {format_size(terms.max_bytes)}"
    if closes_at is None:
        yield "when its input ends"


def _ready(case: Case) -> Iterator[str]:
    batch = case.batch
    by = (
        f"closed at {case.time(batch.closed_at)} by {batch.cut}"
        if batch.cut
        else f"planned at {case.time(batch.closed_at)}"
    )
    made = f"{by}, {case.content}"
    if case.absence:
        yield made
        yield f"{case.absence}; the next one to run {batch.pipeline} works it"
    elif batch.paused or case.around.is_paused:
        yield made
    else:
        terms = None if case.around.is_shared else case.terms
        workers = f"one of {terms.workers} workers" if terms is not None and terms.workers > 1 else "a worker"
        yield f"{made}; waits for {workers}"
        if case.queue_position:
            yield f"before it in the queue: {counted(case.queue_position, 'ready batch')} of {batch.pipeline}"
        else:
            yield f"it is the next of {batch.pipeline} to be claimed"


def _running(case: Case) -> Iterator[str]:
    batch = case.batch
    if case.absence:
        ended = "" if case.around.is_shared else ", which has ended"
        yield f"{case.this_attempt} was claimed at {case.time(batch.claimed_at)} by {batch.owner}{ended}"
        yield f"{case.absence}; the next one to run {batch.pipeline} gives it another attempt"
    elif batch.started_at is not None:
        began = f"began at {case.time(batch.started_at)}, {case.ago(batch.started_at)}"
        yield f"{case.this_attempt} runs on {batch.owner}: {began}; {case.content}"
    else:
        yield (
            f"claimed by {batch.owner} at {case.time(batch.claimed_at)} for {case.this_attempt}; "
            f"that waits for a worker or has just begun; {case.content}"
        )


def _waiting(case: Case) -> Iterator[str]:
    due = case.batch.not_before
    when = f"at {case.time(due)}" if due is not None and due > case.around.now_s else "as soon as it can be claimed"
    if case.attempts:
        last = case.attempts[-1]
        ago = "" if last.ended_at is None else f" {case.ago(last.ended_at)}"
        yield f"{case.this_attempt} failed{ago}: {last.error}; next attempt {when}"
    else:
        yield f"its file had changed and is given time to settle; first attempt {when}"
    if case.absence:
        yield f"{case.absence}; the next one to run {case.batch.pipeline} tries it"


def _done(case: Case) -> Iterator[str]:
    batch = case.batch
    last = case.attempts[-1] if case.attempts else None
    took = f", which took {rough_duration(last.seconds)}" if last and last.seconds is not None else ""
    yield f"done at {case.time(batch.finished_at)} by attempt {batch.attempts}{took}; {case.content}"
    if batch.finished_at is not None and batch.closed_at is not None:
        what = "closed" if batch.kind is Kind.MINIBATCH else "planned"
        yield f"that was {rough_duration(max(0.0, batch.finished_at - batch.closed_at))} after it was {what}"
    if last and last.error:
        yield f"its handler says: {last.error}"


def _discarded(case: Case) -> Iterator[str]:
    batch = case.batch
    if any(event.what == "cancelled" for event in case.events):
        yield f"cancelled by an operator{case.when('cancelled', among=case.events)}; {case.content}"
    else:
        reason = batch.error or "its handler gave no reason"
        yield f"discarded at {case.time(batch.finished_at)}: {reason}; {case.content}"


def _dead(case: Case) -> Iterator[str]:
    batch = case.batch
    after = f" after {counted(batch.attempts, 'attempt')}" if batch.attempts else ""
    yield f"dead since {case.time(batch.finished_at)}{after}: {batch.error}; {case.content}"
    yield f"`millstream retry {batch.id}` makes it ready again, `millstream cancel {batch.id}` gives it up"


_STATES: Mapping[State, Callable[[Case], Iterator[str]]] = {
    State.OPEN: _open,
    State.READY: _ready,
    State.RUNNING: _running,
    State.WAITING: _waiting,
    State.DONE: _done,
    State.DISCARDED: _discarded,
    State.DEAD: _dead,
}


# --- what else there is to say ----------------------------------------------------------------------------------------


def _held_back(case: Case) -> Iterator[str]:
    if case.batch.state in FINISHED:
        return
    if case.batch.paused:
        when = case.when("paused", among=case.events)
        yield f"held back: paused by an operator{when}; `millstream resume {case.batch.id}` lets it go"
    if case.around.is_paused:
        when = case.when("paused", among=case.events_of_all)
        yield f"held back: all work was paused by an operator{when}; `millstream resume` lets it go"
    if case.hold is not None and case.batch.state is State.READY:
        yield f"held back: its engine cannot tell workers of it since {case.time(case.hold.since)}: {case.hold.reason}"


def _peculiar(case: Case) -> Iterator[str]:
    batch = case.batch
    if batch.oversize:
        yield f"its only file, {format_size(batch.size_bytes)}, is larger than a bucket may be and has one of its own"
    if batch.alone and batch.state not in FINISHED:
        yield "it was among several when a worker host died, so it is worked alone: if that dies again, it was this one"


def _history(case: Case) -> list[str]:
    """Earlier attempts and what was done to it, in order of time; not what the sentences on its state said."""
    told = case.attempts[-1:] if case.batch.state is State.WAITING else ()
    attempts = [row for row in case.attempts if row not in told and row.outcome not in {"done", "discard"}]
    happened = [(row.ended_at or 0.0, _attempt(case, row)) for row in attempts]
    happened += [
        (event.at, f"at {case.time(event.at)}: {event.detail}")
        for event in case.events
        if event.what in {"evicted", "revived"}
    ]
    return [sentence for _, sentence in sorted(happened, key=lambda pair: pair[0])]


def _attempt(case: Case, row: AttemptRow) -> str:
    words = {
        "retry": "failed",
        "lost": "was lost",
        "released": "was given back",
        "evicted": "ended before its handler was called",
    }
    took = f" after {rough_duration(row.seconds)}" if row.seconds else ""
    return f"attempt {row.attempt} {words[row.outcome]} at {case.time(row.ended_at)}{took}: {row.error}"


def _clock(case: Case) -> Iterator[str]:
    if case.around.speed != 1 and case.batch.state not in FINISHED:
        yield (
            f"all times are the engine's: its clock shows {case.time(case.around.now_s)} now "
            f"and runs {case.around.speed:g} times as fast as the wall's"
        )
