"""What operators do to batches."""

from typing import Any

from millstream.adapters.postgres.replies import Reply, known, number, values_of
from millstream.adapters.postgres.session import Cursor, Session
from millstream.adapters.postgres.stepping import carry_out
from millstream.adapters.sql import ingesting
from millstream.adapters.sql.steps import Row
from millstream.core.operations import Cancel, Prune, Revive, SetPaused


async def revive(operation: Revive, session: Session) -> Reply:
    """See core.operations.Revive."""
    values = {"detail": "retry asked for by an operator", "file_state": "planned", **values_of(operation)}
    revived, batches = await _noted(await session.send("note_changed", "revive", what="revived", **values))
    await carry_out(ingesting.revived(batches, at=operation.at), session)
    return known(revived)


async def cancel(operation: Cancel, session: Session) -> Reply:
    """See core.operations.Cancel."""
    values = {"what": "cancelled", "detail": "cancelled by an operator", **values_of(operation)}
    ended, batches = await _noted(
        await session.send("note_changed", "cancel", file_state="discarded", **values),
    )
    still_open, _ = await _noted(
        await session.send("note_changed", "cancel_open", file_state=None, **values),
    )
    all_of_them = operation.batch_id is None
    await carry_out(ingesting.cancelled(batches, at=operation.at, all_of_them=all_of_them), session)
    return known(ended + still_open)


async def _noted(cursor: Cursor) -> tuple[int, list[Row]]:
    """How many batches were changed, and those of ingestions."""
    changed, batches = await cursor.fetchone() or (0, None)
    return changed, batches or []


async def set_paused(operation: SetPaused, session: Session) -> Reply:
    """See core.operations.SetPaused."""
    what = "paused" if operation.paused else "resumed"
    note: dict[str, Any] = {"at": operation.at, "what": what, "detail": f"{what} by an operator"}
    if operation.batch_id is None:
        changed = await session.send("set_meta", key="paused", value=str(int(operation.paused)))
    else:
        changed = await session.send("pause_batch", batch_id=operation.batch_id, paused=operation.paused)
    await session.send("note", batch_id=operation.batch_id or "", **note)
    return number(changed)


async def prune(operation: Prune, session: Session) -> Reply:
    """See core.operations.Prune."""
    await session.send("prune_attempts", before=operation.before)
    await session.send("prune_events", before=operation.before)
    pruned = await session.send("prune_batches", before=operation.before)
    return number(pruned, more=await carry_out(ingesting.prune(before=operation.before), session))
