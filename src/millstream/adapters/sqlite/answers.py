"""How each query is answered from the tables."""

import json
import sqlite3
from functools import singledispatch
from itertools import chain

from millstream.adapters.sql import ingesting, statement
from millstream.adapters.sqlite.rows import carry_out, fetch, run, with_files
from millstream.core import queries
from millstream.core.rows import (
    AttemptRow,
    BatchRow,
    CostRow,
    EventRow,
    FileRow,
    PinRow,
    PipelineRow,
    SourceRow,
    TotalRow,
)

VERSIONS_AT_ONCE = 10_000


@singledispatch
def answer(query: object, db: sqlite3.Connection) -> object:
    """Answer one query."""
    if isinstance(query, ingesting.QUERIES):
        return carry_out(ingesting.answer_of(query), db)
    raise TypeError(f"no such query: {query!r} on {db!r}")


@answer.register
def _(query: queries.ReadBatches, db: sqlite3.Connection) -> object:
    if query.batch_id is not None:
        found = fetch(run(db, "read_batch", batch_id=query.batch_id), kind=BatchRow)
        rows = tuple(row for row in found if not query.states or row.state in query.states)
    elif query.states:
        rows = _batches_in(query, db)
    else:
        rows = fetch(run(db, "read_batches", pipeline=query.pipeline, limit=query.limit), kind=BatchRow)
    return tuple(with_files(db, row) for row in rows)


def _batches_in(query: queries.ReadBatches, db: sqlite3.Connection) -> tuple[BatchRow, ...]:
    text = statement("read_batches_in")
    values = {"pipeline": query.pipeline, "limit": query.limit}
    found = [fetch(db.execute(text.replace("{state}", state), values), kind=BatchRow) for state in query.states]
    return tuple(sorted(chain.from_iterable(found), key=lambda row: row.seq)[: query.limit])


@answer.register
def _(query: queries.ReadNewestBatches, db: sqlite3.Connection) -> object:
    states = json.dumps(query.states) if query.states else None
    rows = fetch(run(db, "read_newest_batches", states=states, limit=query.limit), kind=BatchRow)
    return tuple(with_files(db, row) for row in rows)


@answer.register
def _(query: queries.ReadQueuePosition, db: sqlite3.Connection) -> object:
    before: int = run(db, "read_queue_position", batch_id=query.batch_id).fetchone()[0]
    return before


@answer.register
def _(query: queries.ReadPipelines, db: sqlite3.Connection) -> object:
    del query
    return fetch(run(db, "read_pipelines", name=None), kind=PipelineRow)


@answer.register
def _(query: queries.ReadSource, db: sqlite3.Connection) -> object:
    rows = fetch(run(db, "read_source", pipeline=query.pipeline, source=query.source), kind=SourceRow)
    return rows[0] if rows else None


@answer.register
def _(query: queries.ReadAttempts, db: sqlite3.Connection) -> object:
    return fetch(run(db, "read_attempts", batch_id=query.batch_id), kind=AttemptRow)


@answer.register
def _(query: queries.ReadEvents, db: sqlite3.Connection) -> object:
    return fetch(run(db, "read_events", batch_id=query.batch_id, limit=query.limit), kind=EventRow)


@answer.register
def _(query: queries.ReadFiles, db: sqlite3.Connection) -> object:
    found = run(db, "read_files", path=query.path, pipeline=query.pipeline, batch_id=query.batch_id)
    return fetch(found, kind=FileRow)


@answer.register
def _(query: queries.ReadKnownVersions, db: sqlite3.Connection) -> object:
    wanted = [(file.path, file.version) for file in query.files]
    parts = (json.dumps(wanted[start : start + VERSIONS_AT_ONCE]) for start in range(0, len(wanted), VERSIONS_AT_ONCE))
    return frozenset(
        row for part in parts for row in run(db, "read_known_versions", pipeline=query.pipeline, wanted=part)
    )


@answer.register
def _(query: queries.ReadCosts, db: sqlite3.Connection) -> object:
    return fetch(run(db, "read_costs", pipeline=query.pipeline, limit=query.limit), kind=CostRow)


@answer.register
def _(query: queries.ReadTotals, db: sqlite3.Connection) -> object:
    return fetch(run(db, "read_totals", pipeline=query.pipeline), kind=TotalRow)


@answer.register
def _(query: queries.ReadUnfinished, db: sqlite3.Connection) -> object:
    del query
    return fetch(run(db, "read_unfinished"), kind=TotalRow)


@answer.register
def _(query: queries.ReadPins, db: sqlite3.Connection) -> object:
    return fetch(run(db, "read_pins", pipeline=query.pipeline), kind=PinRow)


@answer.register
def _(query: queries.ReadNextDue, db: sqlite3.Connection) -> object:
    due: float | None = run(db, "read_next_due", pipeline=query.pipeline).fetchone()[0]
    return due


@answer.register
def _(query: queries.ReadMeta, db: sqlite3.Connection) -> object:
    row = run(db, "read_meta", key=query.key).fetchone()
    return str(row[0]) if row else None


@answer.register
def _(query: queries.ReadTime, db: sqlite3.Connection) -> object:
    del query
    return float(run(db, "read_time").fetchone()[0])
