"""The embedded ledger: SQLite in WAL mode with `synchronous=FULL`."""

from millstream.adapters.sqlite.ledger import SqliteLedger, ring

__all__ = ["SqliteLedger", "ring"]
