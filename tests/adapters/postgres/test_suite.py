"""The ledger in PostgreSQL is a ledger."""

import pytest

from adapters.postgres.places import Place
from millstream.testing.ledger_suite import LedgerSuite, MakeLedger


class TestPostgresLedger(LedgerSuite):
    """It is a ledger."""

    @pytest.fixture
    def make_ledger(self, place: Place) -> MakeLedger:
        """In a schema of the test's own."""
        return place.ledger
