"""What is asked about ingestions."""

from dataclasses import fields
from typing import Any, TypeVar

import msgspec

from millstream.adapters.sql.ingesting.claiming import chunk_of
from millstream.adapters.sql.ingesting.coding import found_of, spec_of
from millstream.adapters.sql.steps import Ask, Row, Steps, ask
from millstream.core.ingestion import queries
from millstream.core.ingestion.rows import ChunkRow, IngestionEvent, IngestionRow, ReadyRow, RejectRow, UnjoinedRow
from millstream.core.lifecycle import State
from millstream.core.splitting import Position

T = TypeVar("T")


def read_ingestion(query: queries.ReadIngestion) -> Steps[IngestionRow | None]:
    """See core.ingestion.ReadIngestion."""
    (rows,) = yield [ask("read_ingestion", message_id=query.message_id)]
    return _ingestion(rows[0]) if rows else None


def read_ingestions(query: queries.ReadIngestions) -> Steps[tuple[IngestionRow, ...]]:
    """See core.ingestion.ReadIngestions."""
    values = {"principal": query.principal, "before": query.before, "limit": query.limit}
    name = "read_ingestions_in" if query.statuses else "read_ingestions"
    (rows,) = yield [Ask(name=name, values=values, chosen=query.statuses)]
    return tuple(_ingestion(row) for row in rows)


def _ingestion(row: Row) -> IngestionRow:
    at = Position(offset=row["plan_offset"], record=row["plan_record"], seq=row["plan_seq"])
    coded = {"spec": spec_of(row["spec"]), "found": found_of(row["found"]), "planned_to": at}
    return _value(dict(row) | coded, IngestionRow)


def _value(row: dict[str, Any], kind: type[T]) -> T:
    return msgspec.convert({each.name: row[each.name] for each in fields(kind)}, kind, strict=False)  # type: ignore[arg-type]


def read_chunks(query: queries.ReadChunks) -> Steps[tuple[ChunkRow, ...]]:
    """See core.ingestion.ReadChunks."""
    values = {"message_id": query.message_id, "after": query.after, "limit": query.limit}
    (rows,) = yield [Ask(name="read_chunks", values=values, chosen=query.states or tuple(State))]
    return tuple(_value(dict(row) | {"chunk": chunk_of(row)}, ChunkRow) for row in rows)


def read_rejects(query: queries.ReadRejects) -> Steps[tuple[RejectRow, ...]]:
    """See core.ingestion.ReadRejects."""
    values = {"message_id": query.message_id, "after": query.after, "limit": query.limit}
    (rows,) = yield [Ask(name="read_rejects", values=values)]
    return tuple(_value(dict(row) | {"start": row["first_byte"], "end": row["end_byte"]}, RejectRow) for row in rows)


def read_events(query: queries.ReadIngestionEvents) -> Steps[tuple[IngestionEvent, ...]]:
    """See core.ingestion.ReadIngestionEvents."""
    name = "read_all_ingestion_events" if query.message_id is None else "read_ingestion_events"
    (rows,) = yield [ask(name, message_id=query.message_id, after=query.after, limit=query.limit)]
    return tuple(_value(dict(row), IngestionEvent) for row in rows)


def read_unjoined(query: queries.ReadUnjoined) -> Steps[tuple[UnjoinedRow, ...]]:
    """See core.ingestion.ReadUnjoined."""
    (rows,) = yield [ask("read_unjoined", limit=query.limit)]
    return tuple(_value(dict(row), UnjoinedRow) for row in rows)


def read_ready(query: queries.ReadReady) -> Steps[tuple[ReadyRow, ...]]:
    """See core.ingestion.ReadReady."""
    values = {"pipeline": query.pipeline, "message_id": query.message_id, "at": query.at, "limit": query.limit}
    name = "read_ready" if query.pipeline is None else "read_ready_in"
    (rows,) = yield [Ask(name=name if query.message_id is None else "read_ready_of", values=values)]
    return tuple(_value(dict(row), ReadyRow) for row in rows)
