"""The ledger for many machines: PostgreSQL, through psycopg; an optional part."""

from millstream.errors import MissingExtraError

try:
    import psycopg  # noqa: F401 - asked for here, so that one line says what is missing
except ImportError:
    raise MissingExtraError(extra="postgres", feature="postgresql://") from None

from millstream.adapters.postgres.ledger import PostgresLedger

__all__ = ["PostgresLedger"]
