"""How many ingestions of each principal have not ended, known without counting them.

Theory of operation: every request with a limit asks for it, and with thousands of unfinished ingestions counting them
took longer than all the rest of accepting one (`python bench --only ingest`). So each connection has the numbers in a
temporary table, which triggers keep in step with its own changes, in the same transactions. SQLite tells when another
connection changed the ledger, an operator's for example; then they are counted anew.
"""

import sqlite3

from millstream.adapters.sql import statement
from millstream.adapters.sqlite.rows import DIALECT, run


def prepare(db: sqlite3.Connection) -> None:
    """Make the table and its triggers; once for each connection, outside of transactions."""
    db.executescript(statement("going", DIALECT))


def keep_up(db: sqlite3.Connection) -> None:
    """Count anew if another connection changed anything; inside of the transaction that asks for the numbers."""
    (now,) = db.execute("PRAGMA data_version").fetchone()
    (counted,) = db.execute("SELECT version FROM going_as_of").fetchone()
    if now != counted:
        db.execute("DELETE FROM going")
        run(db, "count_all_going")
        db.execute("UPDATE going_as_of SET version = ?", (now,))
