"""Tables of batches, attempts, events and files, as a person sees them in a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from millstream.cli.output import local_time, make_table, printable, rough_duration, styled
from millstream.cli.styles import STATE_STYLES
from millstream.core.lifecycle import State
from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow
from millstream.core.units import format_size

if TYPE_CHECKING:
    from rich.table import Table


def batch_table(rows: Iterable[BatchRow], *, now_s: float) -> "Table":
    """One row for each batch; behind its id the key that its records share, if they do."""
    table = make_table(
        "batch", "state", "cut", "records", "size", "when", "attempts", "error", numbers=("records", "size", "attempts")
    )
    for row in rows:
        table.add_row(
            styled(row.id).append(f" {printable(row.key)}" if row.key is not None else "", "dim"),
            styled(row.state + (", paused" if row.paused else ""), STATE_STYLES[row.state]),
            row.cut or "",
            f"{row.records:,}",
            format_size(row.size_bytes),
            _when(row, now_s=now_s),
            str(row.attempts),
            printable(row.error or ""),
        )
    return table


def attempt_table(rows: Iterable[AttemptRow], *, now_s: float) -> "Table":
    """One row for each attempt that ended."""
    table = make_table("attempt", "outcome", "ended", "took", "by", "error", numbers=("attempt", "took"))
    for row in rows:
        table.add_row(
            str(row.attempt),
            row.outcome,
            "" if row.ended_at is None else local_time(row.ended_at, now_s=now_s),
            rough_duration(row.seconds) if row.seconds else "",
            row.owner,
            printable(row.error or ""),
        )
    return table


def event_table(rows: Iterable[EventRow], *, now_s: float) -> "Table":
    """One row for each event."""
    table = make_table("event", "at", "detail")
    for row in rows:
        table.add_row(row.what, local_time(row.at, now_s=now_s), printable(row.detail))
    return table


def file_table(rows: Iterable[FileRow], *, now_s: float) -> "Table":
    """One row for each version of a file."""
    table = make_table("state", "size", "seen", "bucket", "SHA-256", "file", numbers=("size",))
    for row in rows:
        table.add_row(
            row.state,
            format_size(row.size_bytes),
            local_time(row.seen_at, now_s=now_s),
            row.batch_id,
            (row.sha256 or "")[:12],
            printable(row.path),
        )
    return table


def _when(row: BatchRow, *, now_s: float) -> str:
    """The time that matters most in the state it is in."""
    word, at_s = {
        State.OPEN: ("closes", row.closes_at),
        State.READY: ("closed" if row.cut else "planned", row.closed_at),
        State.RUNNING: ("claimed", row.claimed_at),
        State.WAITING: ("next attempt", row.not_before),
        State.DONE: ("ended", row.finished_at),
        State.DISCARDED: ("ended", row.finished_at),
        State.DEAD: ("ended", row.finished_at),
    }[row.state]
    return "" if at_s is None else f"{word} {local_time(at_s, now_s=now_s)}"
