"""How the results of what was sent are read."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from millstream.adapters.postgres.session import Cursor

Reply = Callable[[], Awaitable[object]]
"""Reads the result of what was sent."""


def values_of(operation: Any) -> dict[str, Any]:
    """The fields of an operation as parameters of a statement, which takes those that it names."""
    values = {each.name: getattr(operation, each.name) for each in fields(operation)}
    if "ranges" in values:
        values["ranges"] = json.dumps(values["ranges"])
    return values


def known(result: object) -> Reply:
    """A result that was read already."""

    async def read() -> object:
        return result

    return read


def nothing(*cursors: Cursor) -> Reply:
    """There is no result."""
    del cursors
    return known(None)


def once(cursor: Cursor) -> Reply:
    """Whether the one row was changed."""

    async def read() -> object:
        return cursor.rowcount == 1

    return read


def number(*cursors: Cursor, more: int = 0) -> Reply:
    """How many rows were changed."""

    async def read() -> object:
        return sum(cursor.rowcount for cursor in cursors) + more

    return read
