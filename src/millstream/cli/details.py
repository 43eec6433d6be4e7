"""What `millstream status` shows of one batch, one ingestion or one file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from millstream.cli.documents import attempt_document, batch_document, event_document, file_document
from millstream.cli.ingestions import (
    KINDS,
    chunk_document,
    chunk_of,
    chunk_table,
    files_of,
    ingestion_document,
    ingestion_table,
    with_files,
)
from millstream.cli.output import print_json, stdout_console
from millstream.cli.tables import attempt_table, batch_table, event_table, file_table
from millstream.core.ingestion import ChunkRow, IngestionRow, ReadChunks
from millstream.core.lifecycle import State
from millstream.core.queries import ReadAttempts, ReadEvents, ReadFiles
from millstream.core.rows import AttemptRow, BatchRow, EventRow, FileRow
from millstream.ports import Ledger

if TYPE_CHECKING:
    from rich.console import Console

CHUNKS = 20
"""Chunks of an ingestion that a terminal shows, of those that are not done."""

UNLIMITED = 1_000_000


async def show_batch(row: BatchRow, *, ledger: Ledger, now_s: float, as_json: bool) -> None:
    """Show a batch with its attempts, its events and its files; of a chunk the range as well."""
    attempts = await ledger.read(ReadAttempts(batch_id=row.id))
    events = await ledger.read(ReadEvents(batch_id=row.id))
    files = await ledger.read(ReadFiles(batch_id=row.id))
    chunk = await chunk_of(row, ledger=ledger)
    names = await files_of([row], ledger=ledger)
    if as_json:
        own = {} if row.kind not in KINDS else {"file": names.get(row.key or "")}
        print_json(
            {
                **batch_document(row),
                **own,
                **({} if chunk is None else {"chunk": chunk_document(chunk)}),
                "attempt_log": [attempt_document(attempt) for attempt in attempts],
                "events": [event_document(event) for event in events],
                "files": [file_document(file) for file in files],
            }
        )
    else:
        (shown,) = with_files([row], files=names)
        chunks = () if chunk is None else (chunk,)
        _draw(stdout_console(), shown, chunks=chunks, attempts=attempts, events=events, files=files, now_s=now_s)


async def show_ingestion(row: IngestionRow, *, ledger: Ledger, now_s: float, as_json: bool) -> None:
    """Show an ingestion with its chunks, in a terminal the first of those that are not done, and its events."""
    states = () if as_json else tuple(state for state in State if state is not State.DONE)
    limit = UNLIMITED if as_json else CHUNKS
    chunks = await ledger.read(ReadChunks(message_id=row.spec.message_id, states=states, limit=limit))
    events = await ledger.read(ReadEvents(batch_id=row.spec.message_id))
    if as_json:
        documents = {"chunk_log": [chunk_document(chunk) for chunk in chunks]}
        print_json({**ingestion_document(row), **documents, "events": [event_document(event) for event in events]})
        return
    console = stdout_console()
    console.print(ingestion_table([row], now_s=now_s))
    if chunks:
        console.print()
        console.print(chunk_table(chunks, now_s=now_s))
    if events:
        console.print()
        console.print(event_table(events[-CHUNKS:], now_s=now_s))


def show_file(versions: Sequence[FileRow], *, now_s: float, as_json: bool) -> None:
    """Show all versions of a file."""
    if as_json:
        print_json({"path": versions[0].path, "versions": [file_document(version) for version in versions]})
    else:
        stdout_console().print(file_table(versions, now_s=now_s))


def _draw(
    console: "Console",
    row: BatchRow,
    *,
    chunks: Sequence[ChunkRow],
    attempts: Sequence[AttemptRow],
    events: Sequence[EventRow],
    files: Sequence[FileRow],
    now_s: float,
) -> None:
    console.print(batch_table([row], now_s=now_s))
    for rows, table in (
        (chunks, chunk_table(chunks, now_s=now_s)),
        (attempts, attempt_table(attempts, now_s=now_s)),
        (events, event_table(events, now_s=now_s)),
        (files, file_table(files, now_s=now_s)),
    ):
        if rows:
            console.print()
            console.print(table)
