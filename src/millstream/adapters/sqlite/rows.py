"""Rows of the tables as values: every column has the name of the field that it fills."""

import json
import sqlite3
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from millstream.adapters.sql import statement
from millstream.adapters.sql.steps import Ask, Row, Steps, choose
from millstream.core.model import FileRef, Job, Kind
from millstream.core.operations import Operation
from millstream.core.rows import BatchRow

DIALECT = "sqlite"

T = TypeVar("T")
Filed = TypeVar("Filed", Job, BatchRow)
Result = TypeVar("Result")


def run(db: sqlite3.Connection, statement_name: str, /, **values: object) -> sqlite3.Cursor:
    """Execute a statement, which takes those of the named values that it mentions."""
    return db.execute(statement(statement_name, DIALECT), values)


def values_of(operation: Operation[object]) -> dict[str, Any]:
    """The fields of an operation as parameters of a statement, which takes those that it names."""
    values = {name: getattr(operation, name) for name in operation.__dataclass_fields__}  # type: ignore[attr-defined]
    if "ranges" in values:
        values["ranges"] = json.dumps(values["ranges"])
    return values


def fetch(cursor: sqlite3.Cursor, *, kind: type[T]) -> tuple[T, ...]:
    """All rows as values of a dataclass; columns that it has no field for are left out."""
    names = [column[0] for column in cursor.description]
    return tuple(_value(dict(zip(names, row, strict=True)), kind) for row in cursor)


def _value(row: dict[str, Any], kind: type[T]) -> T:
    if "ranges" in row:
        row["ranges"] = json.loads(row["ranges"])
    return msgspec.convert(row, kind, strict=False)  # not strict: SQLite has no booleans


def with_files(db: sqlite3.Connection, batch: Filed) -> Filed:
    """A bucket together with its files."""
    if batch.kind is not Kind.BUCKET:
        return batch
    return replace(batch, files=fetch(run(db, "files_of_batch", batch_id=batch.id), kind=FileRef))


def carry_out(steps: Steps[Result], db: sqlite3.Connection) -> Result:
    """Execute what steps ask for, up to their end."""
    try:
        asks = next(steps)
        while True:
            asks = steps.send([_rows(ask, db) for ask in asks])
    except StopIteration as end:
        result: Result = end.value
        return result


def _rows(ask: Ask, db: sqlite3.Connection) -> list[Row]:
    cursor = db.execute(choose(statement(ask.name, DIALECT), chosen=ask.chosen), dict(ask.values))
    return rows_of(cursor)


def rows_of(cursor: sqlite3.Cursor) -> list[Row]:
    """All rows, by the names of their columns."""
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
