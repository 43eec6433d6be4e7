"""The ledger in PostgreSQL is a ledger."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from millstream.adapters.postgres import PostgresLedger
from millstream.testing.ledger_suite import LedgerSuite, MakeLedger
from servers.postgres import Postgres


class TestPostgresLedger(LedgerSuite):
    """It is a ledger."""

    @pytest.fixture
    def make_ledger(self, postgres: Postgres) -> Iterator[MakeLedger]:
        """In a schema of the test's own."""
        schema = postgres.name()
        yield lambda: PostgresLedger(postgres.url, schema=schema)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
