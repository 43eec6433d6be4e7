"""What `millstream status` shows of one batch or one file."""

from collections.abc import Sequence

from rich.console import Console

from millstream.cli.documents import attempt_document, batch_document, event_document, file_document
from millstream.cli.output import print_json, stdout_console
from millstream.cli.tables import attempt_table, batch_table, event_table, file_table
from millstream.core.queries import ReadAttempts, ReadEvents, ReadFiles
from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow
from millstream.ports import Ledger


async def show_batch(row: BatchRow, *, ledger: Ledger, now_s: float, as_json: bool) -> None:
    """Show a batch with its attempts, its events and its files."""
    attempts = await ledger.read(ReadAttempts(batch_id=row.id))
    events = await ledger.read(ReadEvents(batch_id=row.id))
    files = await ledger.read(ReadFiles(batch_id=row.id))
    if as_json:
        print_json(
            {
                **batch_document(row),
                "attempt_log": [attempt_document(attempt) for attempt in attempts],
                "events": [event_document(event) for event in events],
                "files": [file_document(file) for file in files],
            }
        )
    else:
        _draw(stdout_console(), row, attempts=attempts, events=events, files=files, now_s=now_s)


def show_file(versions: Sequence[FileRow], *, now_s: float, as_json: bool) -> None:
    """Show all versions of a file."""
    if as_json:
        print_json({"path": versions[0].path, "versions": [file_document(version) for version in versions]})
    else:
        stdout_console().print(file_table(versions, now_s=now_s))


def _draw(
    console: Console,
    row: BatchRow,
    *,
    attempts: Sequence[AttemptRow],
    events: Sequence[EventRow],
    files: Sequence[FileRow],
    now_s: float,
) -> None:
    console.print(batch_table([row], now_s=now_s))
    for rows, table in (
        (attempts, attempt_table(attempts, now_s=now_s)),
        (events, event_table(events, now_s=now_s)),
        (files, file_table(files, now_s=now_s)),
    ):
        if rows:
            console.print()
            console.print(table)
