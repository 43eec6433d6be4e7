"""Carries out changes and questions that are told as steps."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from millstream.adapters.postgres.session import Cursor, Session
from millstream.adapters.sql.steps import Ask, Row, Rows, Steps

Result = TypeVar("Result")


async def carry_out(steps: Steps[Result], session: Session) -> Result:
    """Execute what steps ask for, up to their end; what they ask for together costs one round trip."""
    try:
        asks = next(steps)
        while True:
            asks = steps.send(await answers(asks, session))
    except StopIteration as end:
        result: Result = end.value
        return result


async def answers(asks: Sequence[Ask], session: Session) -> list[Rows]:
    """The rows of each statement; events are only noted down, to be sent at the end."""
    async with session.pipeline():
        cursors = [await _send(each, session) for each in asks]
    return [[] if cursor is None else await rows_of(cursor) for cursor in cursors]


async def _send(ask: Ask, session: Session) -> Cursor | None:
    if ask.name == "note":
        session.note(ask)
        return None
    return await session.ask(ask)


async def rows_of(cursor: Cursor) -> list[Row]:
    """All rows, by the names of their columns."""
    if cursor.description is None:
        return []
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


async def ask_once(steps: Steps[object], session: Session) -> Callable[[], Awaitable[object]]:
    """Send what a question needs; returns how its answer is read. It asks once."""
    cursors = [await session.ask(each) for each in next(steps)]

    async def read() -> object:
        try:
            steps.send([await rows_of(cursor) for cursor in cursors])
        except StopIteration as end:
            return end.value
        raise RuntimeError(f"a question must ask once: {steps!r}")

    return read
