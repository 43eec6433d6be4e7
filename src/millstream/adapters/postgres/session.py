"""Sends statements of one transaction without waiting for their answers.

Theory of operation: a transaction is a pipeline: statements are sent one after the other, and their answers are read
together at the end, so a thousand of them cost a few round trips. All parameters travel as text of no type and the
server finds out which type each is from where it stands, so a statement is prepared once, whatever its values are.
"""

import json
import re
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import TupleRow

from millstream.adapters.sql import statement
from millstream.adapters.sql.steps import Ask, choose
from millstream.core.model import Job
from millstream.core.rows import BatchRow

Connection = AsyncConnection[TupleRow]
Cursor = AsyncRawCursor[TupleRow]
T = TypeVar("T")
Keyed = TypeVar("Keyed", Job, BatchRow)

DIALECT = "postgres"
PARAMETER = re.compile(r"(?<!:):([a-z]\w*)")


class Session:
    """One transaction: what was sent in it, and whether others must hear of it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_loud = False
        """Whether others may have something to do because of this transaction."""
        self._highest: dict[str, int] = {}
        self._notes: list[Ask] = []

    async def send(self, name: str, /, inner: str = "", **values: object) -> Cursor:
        """Send a statement, with those of the named values that it mentions; `inner` is one to put into it."""
        text, names = numbered(name, inner)
        return await self.send_text(text, *(values[each] for each in names))

    async def ask(self, ask: Ask) -> Cursor:
        """Send a statement that steps ask for."""
        text, names = numbered_choice(ask.name, ask.chosen)
        return await self.send_text(text, *(ask.values[each] for each in names))

    def note(self, note: Ask) -> None:
        """Note an event of an ingestion, which is written down at the end: see `send_notes`."""
        self._notes.append(note)

    async def send_notes(self) -> None:
        """Send what was noted, behind everything else, as it takes a lock that others need to commit."""
        if self._notes:
            await self.send("lock_events")
        for note in self._notes:
            await self.ask(note)
        self._notes.clear()

    def pipeline(self) -> AbstractAsyncContextManager[object]:
        """What is sent in this context travels together, and was answered at its end."""
        return self.connection.pipeline()

    def advance(self, pipeline: str, *, seq: int) -> None:
        """Note the number of a minibatch that was opened: `send_advances` is soon enough.

        Each change of a row leaves a version of it behind, which every next change in the same transaction must pass
        by, so a thousand of them would take a million steps.
        """
        self._highest[pipeline] = max(seq, self._highest.get(pipeline, 0))

    async def send_advances(self) -> None:
        """Send the highest number of each pipeline; before anybody reads pipelines, and at the end."""
        for pipeline, seq in self._highest.items():
            await self.send("advance_seq", pipeline=pipeline, seq=seq)
        self._highest.clear()

    async def send_text(self, text: str, /, *values: object) -> Cursor:
        """Send a statement with numbered parameters."""
        cursor = cast("Cursor", self.connection.cursor())
        await cursor.execute(text, [as_text(value) for value in values])
        return cursor


@cache
def numbered(name: str, inner: str = "") -> tuple[str, tuple[str, ...]]:
    """The text of a statement with parameters `$1, $2, ...`, and their names."""
    text = statement(name, DIALECT)
    if inner:
        text = text.replace("{inner}", statement(inner, DIALECT))
    return number(text)


@cache
def numbered_choice(name: str, chosen: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The same of a statement in which words are chosen."""
    return number(choose(statement(name, DIALECT), chosen=chosen))


def number(text: str) -> tuple[str, tuple[str, ...]]:
    """A text with parameters `:like_this` as one with `$1, $2, ...`, and their names."""
    names = tuple(dict.fromkeys(PARAMETER.findall(text)))
    return PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", text), names


def as_text(value: object) -> str | None:
    """A value as PostgreSQL writes it. It has no character zero, which becomes the character for something unknown."""
    match value:
        case None:
            return None
        case bool():
            return "1" if value else "0"
        case float():
            return repr(value)
        case _:
            return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


def with_key_escaped(key: str | None) -> str | None:
    """The key of a minibatch, which must come back as it was, without a character zero."""
    return None if key is None else key.replace("\\", "\\\\").replace("\0", "\\0")


def with_key_restored(batch: Keyed) -> Keyed:
    """A batch with its key as it was."""
    if batch.key is None or "\\" not in batch.key:
        return batch
    return replace(batch, key=re.sub(r"\\(.)", lambda found: "\0" if found[1] == "0" else found[1], batch.key))


async def rows(cursor: Cursor, *, kind: type[T]) -> tuple[T, ...]:
    """All rows as values of a dataclass; columns that it has no field for are left out."""
    names = [column.name for column in cursor.description or ()]
    return tuple(value(dict(zip(names, row, strict=True)), kind=kind) for row in await cursor.fetchall())


def value(row: dict[str, Any], *, kind: type[T]) -> T:
    """A row as a value of a dataclass."""
    if "ranges" in row:
        row["ranges"] = json.loads(row["ranges"])
    if "files" in row and row["files"] is None:
        del row["files"]
    return msgspec.convert(row, kind)


async def first(cursor: Cursor) -> Any:
    """The first column of the only row."""
    row = await cursor.fetchone()
    return None if row is None else row[0]
