"""Load the minibatches of a stream into a table, each once, however often its handler is called.

    millstream stream sim:messages --window 5m --speed 300 --handler warehouse:load

The batch id is the idempotency key: rows that an earlier attempt left under it are replaced in the same transaction.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from millstream import Batch, Context

DATABASE = "warehouse.db"
SCHEMA = "CREATE TABLE IF NOT EXISTS message (batch TEXT, id INTEGER, user TEXT, amount REAL)"

Insert = Callable[[bytes], None]


def load(batch: Batch, context: Context) -> None:  # noqa: ARG001 - every handler is called with both
    """The handler: all records of the batch, or none of them."""
    with transaction(key=batch.id) as insert:
        for record in batch:
            insert(record)


@contextmanager
def transaction(*, key: str) -> Iterator[Insert]:
    """A transaction that leaves exactly the records inserted in it under `key`."""
    with closing(sqlite3.connect(DATABASE, timeout=30)) as database, database:
        database.execute(SCHEMA)
        database.execute("DELETE FROM message WHERE batch = ?", (key,))

        def insert(record: bytes) -> None:
            message = json.loads(record)
            row = (key, message["id"], message["user"], message["amount"])
            database.execute("INSERT INTO message VALUES (?, ?, ?, ?)", row)

        yield insert
