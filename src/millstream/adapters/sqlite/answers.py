"""How each query is answered from the tables."""

import json
import sqlite3
from functools import singledispatch
from operator import itemgetter
from typing import Any

from millstream.adapters.sql import statement
from millstream.core import operations as op
from millstream.core.lifecycle import State
from millstream.core.model import CutReason, FileRef, Kind

Row = tuple[Any, ...]
VERSIONS_AT_ONCE = 10_000


def select(db: sqlite3.Connection, statement_name: str, /, **values: object) -> list[Row]:
    """All rows that a statement finds."""
    return db.execute(statement(statement_name), values).fetchall()


def ranges_of(text: str) -> op.Ranges:
    """Ranges as they are stored, a JSON list of pairs."""
    return tuple((start, end) for start, end in json.loads(text))


def pipeline_row(row: Row) -> op.PipelineRow:
    """A row of `read_pipelines`."""
    return op.PipelineRow(
        name=row[0],
        kind=Kind(row[1]),
        next_seq=row[2],
        accepted_records=row[3],
        accepted_bytes=row[4],
        accepted_at=row[5],
        main_end=row[6],
        runs_end=row[7],
        spilled_to=row[8],
    )


@singledispatch
def answer(query: object, db: sqlite3.Connection) -> object:
    """Answer one query."""
    raise TypeError(f"no such query: {query!r} on {db!r}")


@answer.register
def _(query: op.ReadBatches, db: sqlite3.Connection) -> object:
    if query.batch_id is not None:
        rows = select(db, "read_batch", batch_id=query.batch_id)
    elif query.states:
        rows = _batches_in(query, db)
    else:
        rows = select(db, "read_batches", pipeline=query.pipeline, limit=query.limit)
    return tuple(_batch_row(row, db) for row in rows)


def _batches_in(query: op.ReadBatches, db: sqlite3.Connection) -> list[Row]:
    text = statement("read_batches_in")
    values = {"pipeline": query.pipeline, "limit": query.limit}
    rows = [row for state in query.states for row in db.execute(text.replace("{state}", state), values)]
    return sorted(rows, key=itemgetter(-1))[: query.limit]


@answer.register
def _(query: op.ReadNewestBatches, db: sqlite3.Connection) -> object:
    states = json.dumps(query.states) if query.states else None
    rows = select(db, "read_newest_batches", states=states, limit=query.limit)
    return tuple(_batch_row(row, db) for row in rows)


@answer.register
def _(query: op.ReadQueuePosition, db: sqlite3.Connection) -> object:
    before: int = select(db, "read_queue_position", batch_id=query.batch_id)[0][0]
    return before


def _batch_row(row: Row, db: sqlite3.Connection) -> op.BatchRow:
    kind = Kind(row[2])
    files = select(db, "files_of_batch", batch_id=row[0]) if kind is Kind.BUCKET else []
    return op.BatchRow(
        id=row[0],
        pipeline=row[1],
        kind=kind,
        state=State(row[3]),
        key=row[4],
        cut=CutReason(row[5]) if row[5] else None,
        records=row[6],
        size_bytes=row[7],
        opened_at=row[8],
        closes_at=row[9],
        closed_at=row[10],
        last_at=row[11],
        attempts=row[12],
        failures=row[13],
        fence=row[14],
        not_before=row[15],
        claimed_at=row[16],
        started_at=row[17],
        finished_at=row[18],
        owner=row[19],
        paused=bool(row[20]),
        cancelled=bool(row[21]),
        oversize=bool(row[22]),
        cost_s=row[23],
        error=row[24],
        log=row[25],
        start=row[26],
        ranges=ranges_of(row[27]),
        checksum=row[28],
        spilled_records=row[29],
        alone=bool(row[30]),
        files=tuple(
            FileRef(path=path, size_bytes=size, mtime_ns=mtime_ns, inode=inode, root=root, name=name)
            for path, size, mtime_ns, inode, root, name in files
        ),
    )


@answer.register
def _(query: op.ReadPipelines, db: sqlite3.Connection) -> object:
    del query
    return tuple(pipeline_row(row) for row in select(db, "read_pipelines", name=None))


@answer.register
def _(query: op.ReadSource, db: sqlite3.Connection) -> object:
    rows = select(db, "read_source", pipeline=query.pipeline, source=query.source)
    return next(
        (op.SourceRow(pipeline=r[0], source=r[1], position=r[2], finished=bool(r[3])) for r in rows),
        None,
    )


@answer.register
def _(query: op.ReadAttempts, db: sqlite3.Connection) -> object:
    return tuple(
        op.AttemptRow(
            batch_id=r[0],
            attempt=r[1],
            claimed_at=r[2],
            ended_at=r[3],
            outcome=r[4],
            seconds=r[5],
            error=r[6],
            owner=r[7],
        )
        for r in select(db, "read_attempts", batch_id=query.batch_id)
    )


@answer.register
def _(query: op.ReadEvents, db: sqlite3.Connection) -> object:
    rows = select(db, "read_events", batch_id=query.batch_id, limit=query.limit)
    return tuple(op.EventRow(at=r[0], batch_id=r[1], what=r[2], detail=r[3]) for r in rows)


@answer.register
def _(query: op.ReadFiles, db: sqlite3.Connection) -> object:
    return tuple(
        op.FileRow(
            pipeline=r[0],
            path=r[1],
            version=r[2],
            size_bytes=r[3],
            state=r[4],
            batch_id=r[5],
            sha256=r[6],
            seen_at=r[7],
        )
        for r in select(db, "read_files", path=query.path, pipeline=query.pipeline, batch_id=query.batch_id)
    )


@answer.register
def _(query: op.ReadKnownVersions, db: sqlite3.Connection) -> object:
    wanted = [(file.path, file.version) for file in query.files]
    return frozenset(
        (path, version)
        for start in range(0, len(wanted), VERSIONS_AT_ONCE)
        for path, version in select(
            db,
            "read_known_versions",
            pipeline=query.pipeline,
            wanted=json.dumps(wanted[start : start + VERSIONS_AT_ONCE]),
        )
    )


@answer.register
def _(query: op.ReadCosts, db: sqlite3.Connection) -> object:
    rows = select(db, "read_costs", pipeline=query.pipeline, limit=query.limit)
    return tuple(op.CostRow(size_bytes=r[0], files=r[1], seconds=r[2]) for r in rows)


@answer.register
def _(query: op.ReadTotals, db: sqlite3.Connection) -> object:
    return tuple(_total_row(row) for row in select(db, "read_totals", pipeline=query.pipeline))


def _total_row(row: Row) -> op.TotalRow:
    return op.TotalRow(pipeline=row[0], state=State(row[1]), batches=row[2], records=row[3], size_bytes=row[4])


@answer.register
def _(query: op.ReadUnfinished, db: sqlite3.Connection) -> object:
    del query
    return tuple(_total_row(row) for row in select(db, "read_unfinished"))


@answer.register
def _(query: op.ReadPins, db: sqlite3.Connection) -> object:
    return tuple(
        op.PinRow(log=r[0], dead=bool(r[1]), start=r[2])
        for r in select(db, "read_pins", pipeline=query.pipeline)
        if r[2] is not None
    )


@answer.register
def _(query: op.ReadNextDue, db: sqlite3.Connection) -> object:
    due: float | None = select(db, "read_next_due", pipeline=query.pipeline)[0][0]
    return due


@answer.register
def _(query: op.ReadMeta, db: sqlite3.Connection) -> object:
    rows = select(db, "read_meta", key=query.key)
    return str(rows[0][0]) if rows else None
