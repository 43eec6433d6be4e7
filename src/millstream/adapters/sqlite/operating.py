"""What operators do to batches."""

import sqlite3

from millstream.adapters.sql import ingesting
from millstream.adapters.sqlite.rows import carry_out, rows_of, run
from millstream.core.operations import Cancel, Prune, Revive, SetPaused


def revive(operation: Revive, db: sqlite3.Connection) -> int:
    """See core.operations.Revive."""
    revived = rows_of(run(db, "revive", batch_id=operation.batch_id))
    for batch in revived:
        run(db, "finish_files", batch_id=batch["id"], state="planned")
        run(db, "note", at=operation.at, batch_id=batch["id"], what="revived", detail="retry asked for by an operator")
    carry_out(ingesting.revived(revived, at=operation.at), db)
    return len(revived)


def cancel(operation: Cancel, db: sqlite3.Connection) -> int:
    """See core.operations.Cancel."""
    ended = rows_of(run(db, "cancel", batch_id=operation.batch_id, at=operation.at))
    for batch in ended:
        run(db, "finish_files", batch_id=batch["id"], state="discarded")
    still_open = rows_of(run(db, "cancel_open", batch_id=operation.batch_id))
    for batch in ended + still_open:
        run(db, "note", at=operation.at, batch_id=batch["id"], what="cancelled", detail="cancelled by an operator")
    carry_out(ingesting.cancelled(ended, at=operation.at, all_of_them=operation.batch_id is None), db)
    return len(ended) + len(still_open)


def set_paused(operation: SetPaused, db: sqlite3.Connection) -> int:
    """See core.operations.SetPaused."""
    if operation.batch_id is None:
        run(db, "set_meta", key="paused", value=str(int(operation.paused)))
        changed = 1
    else:
        paused = run(db, "pause_batch", batch_id=operation.batch_id, paused=int(operation.paused))
        changed = len(paused.fetchall())
    what = "paused" if operation.paused else "resumed"
    run(db, "note", at=operation.at, batch_id=operation.batch_id or "", what=what, detail=f"{what} by an operator")
    return changed


def prune(operation: Prune, db: sqlite3.Connection) -> int:
    """See core.operations.Prune."""
    run(db, "prune_attempts", before=operation.before)
    run(db, "prune_events", before=operation.before)
    removed = run(db, "prune_batches", before=operation.before).rowcount
    return removed + carry_out(ingesting.prune(before=operation.before), db)
