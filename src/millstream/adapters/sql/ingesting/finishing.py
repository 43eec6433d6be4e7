"""What becomes of an ingestion when an attempt on one of its batches ends."""

from millstream.adapters.sql.ingesting.coding import text_of
from millstream.adapters.sql.ingesting.spoiling import spoil
from millstream.adapters.sql.ingesting.standing import Draft, settled, standing_of
from millstream.adapters.sql.steps import Row, Steps, ask
from millstream.core.lifecycle import State, Step
from millstream.core.model import Discard, Done, Kind, Retry
from millstream.core.operations import Finish
from millstream.core.tasks import ChunkReport, PlanReport, Spoiled
from millstream.errors import InvalidValueError


def may_concern(operation: Finish) -> bool:
    """Whether this end of an attempt may be one that an ingestion has to know of; if not, nobody needs to look."""
    outcome = operation.result.outcome
    return operation.result.report is not None or isinstance(outcome, Discard) or operation.bury


def finish(operation: Finish) -> Steps[State | bool | None]:
    """End an attempt on a plan step or a chunk. Result: that of the operation, or None if it is another batch."""
    at, batch_id, result = operation.at, operation.batch_id, operation.result
    (known,) = yield [ask("find_ingestion_of", batch_id=batch_id)]
    if not known:
        if result.report is not None:
            raise InvalidValueError(name="report", expected="one of a plan step or a chunk", found=batch_id)
        return None
    step, name, text = _ending(operation)
    ended, chunks = yield [
        ask(
            f"finish_{step}",
            batch_id=batch_id,
            fence=operation.fence,
            at=at,
            not_before=operation.not_before,
            charged=int(result.charged and isinstance(result.outcome, Retry)),
            alone=result.alone,
            error=None if step is Step.DONE else text,
        ),
        ask("find_chunk", batch_id=batch_id),
    ]
    if not ended:
        return False
    draft = Draft(standing=standing_of(known[0]), at=at)
    _record(draft, operation, ended[0], outcome=name, text=text)
    if step is not Step.RETRY:
        draft.set(planning=draft.standing.planning and ended[0]["kind"] != Kind.PLAN)
        yield from _report(
            draft, operation, kind=Kind(ended[0]["kind"]), chunk=chunks[0] if chunks else None, text=text
        )
    yield from settled(draft)
    return {Step.DONE: State.DONE, Step.DISCARD: State.DISCARDED, Step.BURY: State.DEAD}.get(step, State.WAITING)


def _ending(operation: Finish) -> tuple[Step, str, str | None]:
    """The step of the batch, the word for its attempt, and the text of it."""
    result = operation.result
    if isinstance(result.report, Spoiled):  # whatever else the attempt says: nothing was published
        return Step.DISCARD, "discard", result.report.reason
    match result.outcome:
        case Done(detail=detail):
            return Step.DONE, "done", detail or None
        case Discard(reason=reason):
            return Step.DISCARD, "discard", reason or None
        case Retry(error=error):
            return (Step.BURY if operation.bury else Step.RETRY), ("lost" if result.lost else "retry"), error


def _record(draft: Draft, operation: Finish, ended: Row, *, outcome: str, text: str | None) -> None:
    draft.add(
        "record_attempt",
        batch_id=operation.batch_id,
        attempt=ended["attempts"],
        claimed_at=ended["claimed_at"],
        ended_at=operation.at,
        outcome=outcome,
        seconds=operation.result.seconds,
        error=text,
        owner=ended["owner"],
    )


def _report(draft: Draft, operation: Finish, *, kind: Kind, chunk: Row | None, text: str | None) -> Steps[None]:
    """Add to a draft what an attempt came to."""
    report, is_done = operation.result.report, isinstance(operation.result.outcome, Done)
    match report:
        case Spoiled():
            yield from spoil(draft, report, chunk=chunk, batch_id=operation.batch_id)
        case PlanReport() if is_done and kind is Kind.PLAN:
            _plan(draft, report)
        case ChunkReport() if is_done and kind is Kind.CHUNK and chunk is not None:
            _publish(draft, report, chunk=chunk)
        case _ if is_done:
            raise InvalidValueError(name="report", expected=f"one of a {kind} that is done", found=report)
        case _ if chunk is None:
            why = text or "it was given up"
            draft.set(plan_failed=True, error=f"planning failed: {why}")
        case _:
            why = f"chunk {chunk['seq']}: {text or 'it was given up'}"
            draft.set(chunks_failed=draft.standing.chunks_failed + 1, error=why)
            draft.note("chunk", f"{chunk['seq']} failed: {text or 'it was given up'}")


def _plan(draft: Draft, report: PlanReport) -> None:
    for chunk in report.chunks:
        draft.add_chunk(chunk)
    draft.add("save_found", found=text_of(report.found))
    draft.set(
        plan_offset=report.at.offset,
        plan_record=report.at.record,
        plan_seq=report.at.seq,
        planned_all=report.is_last,
        waits_for="",
    )
    to = "to the end" if report.is_last else f"up to byte {report.at.offset:,}"
    draft.note("planned", f"{len(report.chunks):,} chunks, {to}")


def _publish(draft: Draft, report: ChunkReport, *, chunk: Row) -> None:
    standing, seq = draft.standing, chunk["seq"]
    is_joined = standing.spec.is_joined
    draft.add(
        "finish_chunk",
        batch_id=chunk["batch_id"],
        published=report.published,
        rejected=report.rejected,
        receipt=report.receipt,
        out_bytes=report.out_bytes,
        unjoined=is_joined,
    )
    for each in report.rejects:
        draft.add(
            "keep_reject", record=each.record, seq=seq, first_byte=each.start, end_byte=each.end, reason=each.reason
        )
    draft.set(
        chunks_done=standing.chunks_done + 1,
        chunks_unjoined=standing.chunks_unjoined + int(is_joined),
        bytes_done=standing.bytes_done + chunk["end_byte"] - chunk["first_byte"],
        records_published=standing.records_published + report.published,
        records_rejected=standing.records_rejected + report.rejected,
        waits_for="",
    )
    rejected = f", {report.rejected:,} rejected" if report.rejected else ""
    draft.note("chunk", f"{seq} done, {report.published:,} records{rejected}")
