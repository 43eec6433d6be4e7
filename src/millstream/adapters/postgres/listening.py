"""Hears when others changed the ledger: LISTEN on a connection of its own."""

import asyncio
from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier

from millstream.adapters.postgres.connection import Database

AGAIN_S = 1.0


async def hear(database: Database, *, author: str, callback: Callable[[], None]) -> None:
    """Call `callback` whenever somebody else than `author` changed something, until it is cancelled.

    It is called once after every connecting, too, because nobody knows what was missed before.
    """
    while True:
        try:
            async with await database.connect() as connection:
                await connection.execute(SQL("LISTEN {}").format(Identifier(database.schema)))
                callback()
                async for heard in connection.notifies():
                    if heard.payload != author:
                        callback()
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            pass  # whoever calls the ledger hears of it; here it is enough to try again
        await asyncio.sleep(AGAIN_S)
