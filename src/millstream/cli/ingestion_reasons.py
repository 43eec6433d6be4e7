"""Why an ingestion, or a chunk of it, is where it is, in plain words.

Theory of operation: as in `reasons`: from rows of the ledger to sentences, with no I/O. The status and how far it is
come first, then what it waits for or what holds it back, then what went wrong, then what it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from millstream.cli.ingestions import GOING, file_of
from millstream.cli.ledger_access import Surroundings
from millstream.cli.output import counted, local_time, rough_duration
from millstream.core.ingestion import ChunkRow, IngestionRow, Status
from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import Kind
from millstream.core.rows import BatchRow
from millstream.core.units import format_size

TOLD = 3
"""Failed chunks that are named; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A batch of an ingestion whose last attempt failed, or that was given up."""

    batch_id: str
    state: State
    attempts: int
    error: str | None
    not_before: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestionCase:
    """An ingestion with all that says why it is where it is.

    `waiting` are chunks and plan steps that failed and will be tried again, `failed` those that are dead or discarded.
    """

    row: IngestionRow
    around: Surroundings
    waiting: tuple[Trouble, ...] = ()
    failed: tuple[Trouble, ...] = ()

    def time(self, at_s: float | None) -> str:
        """An engine time as it is shown."""
        return "an unknown time" if at_s is None else local_time(at_s, now_s=self.around.now_s)


def explain_ingestion(case: IngestionCase) -> list[str]:
    """Why an ingestion is where it is, the most important first."""
    return [*_STATUSES[case.row.status](case), *_hindered(case), *_failed(case), _what(case.row)]


# --- statuses ---------------------------------------------------------------------------------------------------------


def _accepted(case: IngestionCase) -> Iterator[str]:
    yield f"accepted at {case.time(case.row.created_at)}; its request is on its way to a worker"


def _queued(case: IngestionCase) -> Iterator[str]:
    yield f"accepted at {case.time(case.row.created_at)}; the first look at its file waits for a worker"


def _running(case: IngestionCase) -> Iterator[str]:
    row = case.row
    is_worked = row.chunks_done + row.chunks_failed == row.chunks_planned
    if row.planned_all and is_worked and row.spec.is_joined:
        yield f"running since {case.time(row.started_at)}: all chunks are worked; {_joining(row)}"
    else:
        yield f"running since {case.time(row.started_at)}: {_progress(row)}"


def _joining(row: IngestionRow) -> str:
    return f"their records are being joined into one file, which has {format_size(row.out_bytes)} so far"


def _paused(case: IngestionCase) -> Iterator[str]:
    yield f"paused: {_progress(case.row)}; `millstream resume {case.row.spec.message_id}` lets it go"


def _ended(case: IngestionCase) -> Iterator[str]:
    row = case.row
    took = "" if row.started_at is None or row.ended_at is None else f", after {_took(row.started_at, row.ended_at)}"
    yield f"{row.status} at {case.time(row.ended_at)}{took}: {_progress(row)}"
    if row.error:
        yield row.error
    if row.successor:
        yield f"its file changed, and {row.successor} took its place"


def _took(began_s: float, ended_s: float) -> str:
    return rough_duration(max(0.0, ended_s - began_s))


_STATUSES: Mapping[Status, Callable[[IngestionCase], Iterator[str]]] = {
    Status.ACCEPTED: _accepted,
    Status.QUEUED: _queued,
    Status.RUNNING: _running,
    Status.PAUSED: _paused,
    Status.CANCELLED: _ended,
    Status.SUCCEEDED: _ended,
    Status.PARTIAL: _ended,
    Status.FAILED: _ended,
}


def _progress(row: IngestionRow) -> str:
    chunks = [f"{row.chunks_done:,} of {counted(row.chunks_planned, 'chunk')} done"]
    chunks += [f"{row.chunks_running:,} being worked"] if row.chunks_running else []
    chunks += [f"{row.chunks_failed:,} failed"] if row.chunks_failed else []
    rejected = f", {row.records_rejected:,} rejected" if row.records_rejected else ""
    return f"{', '.join(chunks)}; {counted(row.records_published, 'record')} published{rejected}{_planned(row)}"


def _planned(row: IngestionRow) -> str:
    if row.planned_all or row.found is None:
        return ""
    return f"; planned up to byte {row.planned_to.offset:,} of {row.found.size_bytes:,}"


# --- what else there is to say ----------------------------------------------------------------------------------------


def _hindered(case: IngestionCase) -> Iterator[str]:
    row, around = case.row, case.around
    if row.status not in GOING:
        return
    if row.waits_for:
        yield f"waits for: {row.waits_for}"
    if around.absence is not None:
        yield f"{around.absence}; the next one that works files goes on with it"
    if around.is_paused:
        yield "held back: all work was paused by an operator; `millstream resume` lets it go"
    for each in case.waiting[:TOLD]:
        due = each.not_before
        is_due = due is None or due <= around.now_s
        when = "as soon as it can be claimed" if is_due else f"at {case.time(due)}"
        yield f"{each.batch_id} failed in attempt {each.attempts}: {each.error or 'lost'}; next attempt {when}"
    if len(case.waiting) > TOLD:
        yield f"and {len(case.waiting) - TOLD:,} more wait for their next attempt"


def _failed(case: IngestionCase) -> Iterator[str]:
    if case.row.status is Status.CANCELLED:
        return
    for each in case.failed[:TOLD]:
        yield f"{each.batch_id} is {each.state}: {each.error or 'it gave no reason'}"
    if len(case.failed) > TOLD:
        yield f"and {len(case.failed) - TOLD:,} more failed"
    if any(each.state is State.DEAD for each in case.failed) and not case.row.successor:
        yield f"`millstream retry {case.row.spec.message_id}` works again what is dead"


def _what(row: IngestionRow) -> str:
    size = "" if row.file_bytes is None else f", {format_size(row.file_bytes)}"
    return f"it reads {file_of(row)}{size}, and publishes to {row.spec.sink}"


# --- batches of it ----------------------------------------------------------------------------------------------------


def explain_part(batch: BatchRow, *, row: IngestionRow, chunk: ChunkRow | None) -> list[str]:
    """What a chunk or a plan step is a part of, and what it reads."""
    owner = f"ingestion {row.spec.message_id}, which is {row.status}"
    if batch.kind is Kind.PLAN:
        at = "" if batch.state in FINISHED else f" from byte {row.planned_to.offset:,} on"
        return [f"it looks for chunks in {file_of(row)}{at}, for {owner}"]
    if chunk is None:
        return [f"it is of {file_of(row)}, for {owner}; it was planned anew"]
    planned = chunk.chunk
    first, last = planned.first_record, planned.first_record + planned.records - 1
    sentence = (
        f"chunk {planned.seq:,} of {file_of(row)}: bytes {planned.start:,} to {planned.end:,}, "
        f"records {first:,} to {last:,}, for {owner}"
    )
    if chunk.state is State.DONE:
        rejected = f", {chunk.rejected:,} were rejected" if chunk.rejected else ""
        return [sentence, f"{counted(chunk.published, 'record')} of it were published{rejected}"]
    return [sentence]
