"""What people do to ingestions, and to single batches of them."""

from collections.abc import Iterable

from millstream.adapters.sql.ingesting.spoiling import recount
from millstream.adapters.sql.ingesting.standing import KINDS, Draft, end, open_draft, settled
from millstream.adapters.sql.steps import Row, Rows, Steps, ask
from millstream.core.ingestion.operations import Act, Explain, Joined, Redo
from millstream.core.model import Kind
from millstream.core.tasks import Action, Status, chunk_id


def act(operation: Act) -> Steps[Status | None]:
    """See core.ingestion.Act."""
    draft = yield from open_draft(operation.message_id, at=operation.at)
    if draft is None:
        return None
    match operation.action:
        case Action.CANCEL:
            yield from _cancel(draft)
        case Action.PAUSE:
            yield from _pause(draft, paused=True)
        case Action.RESUME:
            yield from _pause(draft, paused=False)
        case Action.RETRY:
            yield from _retry(draft)
    return draft.standing.status


def _cancel(draft: Draft) -> Steps[None]:
    if draft.standing.is_ended:
        return
    yield [ask("cancel_ingestion", message_id=draft.message_id, at=draft.at, reason="cancelled")]
    yield from recount(draft)
    draft.note("cancelled")
    end(draft, Status.CANCELLED)
    yield from settled(draft)


def _pause(draft: Draft, *, paused: bool) -> Steps[None]:
    if draft.standing.is_ended or draft.standing.paused is paused:
        return
    yield [ask("pause_ingestion", message_id=draft.message_id, paused=paused)]
    draft.set(paused=paused)
    draft.note("paused" if paused else "resumed")
    yield from settled(draft)


def _retry(draft: Draft) -> Steps[None]:
    if draft.standing.status is Status.CANCELLED or draft.standing.successor:
        return
    paused = draft.standing.paused and not draft.standing.is_ended
    (revived,) = yield [ask("revive_ingestion", message_id=draft.message_id, paused=paused)]
    if revived:
        yield from _reopen(draft, revived)


def _reopen(draft: Draft, batches: Rows) -> Steps[None]:
    """Dead batches of it are ready again."""
    if draft.standing.is_ended:
        draft.set(ended_at=None, paused=False)
    if any(batch["kind"] == Kind.PLAN for batch in batches):
        draft.set(plan_failed=False)
    draft.set(error="")
    yield from recount(draft)
    draft.note("retried", f"{len(batches):,} batches")
    yield from settled(draft)


def revived(batches: Iterable[Row], *, at: float) -> Steps[None]:
    """An operator made dead batches ready again: let their ingestions go on."""
    for message_id, rows in _by_ingestion(batches).items():
        draft = yield from open_draft(message_id, at=at)
        if draft is not None:
            yield from _reopen(draft, rows)


def cancelled(batches: Iterable[Row], *, at: float, all_of_them: bool) -> Steps[None]:
    """An operator discarded batches: tell their ingestions. Where it was all of them, the ingestions are cancelled."""
    for message_id, rows in _by_ingestion(batches).items():
        draft = yield from open_draft(message_id, at=at)
        if draft is None:
            continue
        if any(batch["kind"] == Kind.PLAN for batch in rows):
            draft.set(plan_failed=True, error="planning was cancelled")
        yield from recount(draft)
        if all_of_them and not draft.standing.is_ended:
            draft.set(error="")
            draft.note("cancelled")
            end(draft, Status.CANCELLED)
        elif not all_of_them:
            draft.set(error=draft.standing.error or "chunks of it were cancelled")
        yield from settled(draft)


def _by_ingestion(batches: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for batch in batches:
        if batch["kind"] in KINDS:
            found.setdefault(batch["key"], []).append(batch)
    return dict(sorted(found.items()))


def explain(operation: Explain) -> Steps[bool]:
    """See core.ingestion.Explain."""
    draft = yield from open_draft(operation.message_id, at=operation.at)
    if draft is None:
        return False
    if not draft.standing.is_ended and draft.standing.waits_for != operation.reason:
        draft.set(waits_for=operation.reason)
        if operation.reason:
            draft.note("waiting", operation.reason)
        yield from settled(draft)
    return True


def join(operation: Joined) -> Steps[bool]:
    """See core.ingestion.Joined."""
    draft = yield from open_draft(operation.message_id, at=operation.at)
    if draft is None or draft.standing.is_ended or draft.standing.out_bytes != operation.from_bytes:
        return False
    unjoined = yield [ask("find_unjoined", message_id=draft.message_id, seq=seq) for seq in operation.seqs]
    if len(set(operation.seqs)) < len(operation.seqs) or not all(unjoined):
        return False
    for seq in operation.seqs:
        draft.add("join_chunk", seq=seq)
    draft.set(
        chunks_unjoined=draft.standing.chunks_unjoined - len(operation.seqs),
        out_bytes=operation.out_bytes,
    )
    draft.note("joined", f"{len(operation.seqs):,} chunks, {operation.out_bytes:,} bytes")
    yield from settled(draft)
    return True


def redo(operation: Redo) -> Steps[bool]:
    """See core.ingestion.Redo."""
    draft = yield from open_draft(operation.message_id, at=operation.at)
    if draft is None or draft.standing.is_ended:
        return False
    (unjoined,) = yield [ask("find_unjoined", message_id=draft.message_id, seq=operation.seq)]
    if not unjoined:
        return False
    batch_id = chunk_id(draft.message_id, seq=operation.seq)
    yield [
        ask("redo_batch", batch_id=batch_id, paused=draft.standing.paused, error=operation.reason),
        ask("redo_chunk", batch_id=batch_id),
    ]
    yield from recount(draft)
    draft.note("chunk", f"{operation.seq} is done again: {operation.reason}")
    yield from settled(draft)
    return True


def prune(*, before: float) -> Steps[int]:
    """Remove ingestions that ended before, with all that belongs to them; returns how many batches they had."""
    (ended,) = yield [ask("find_ended", before=before)]
    removed = 0
    for row in ended:
        answers = yield [
            ask(name, message_id=row["message_id"])
            for name in (
                "prune_ingestion_attempts",
                "prune_ingestion_events",
                "prune_ingestion_batches",
                "prune_ingestion_chunks",
                "prune_ingestion_rejects",
                "prune_ingestion",
            )
        ]
        removed += len(answers[2])
    return removed
