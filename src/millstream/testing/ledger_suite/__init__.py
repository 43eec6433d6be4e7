"""What every ledger must do, as pytest tests: a ledger of yours is right when a subclass of `LedgerSuite` passes.

    class TestMyLedger(LedgerSuite):
        @pytest.fixture
        def make_ledger(self, tmp_path):
            return lambda: MyLedger(tmp_path)

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.ledger_suite")` in a `conftest.py`.
"""

from millstream.testing.ledger_suite.claims import Claims
from millstream.testing.ledger_suite.driver import MakeLedger
from millstream.testing.ledger_suite.files import Files
from millstream.testing.ledger_suite.life import LifeOfABatch
from millstream.testing.ledger_suite.operators import Operators
from millstream.testing.ledger_suite.transactions import Transactions

__all__ = ["LedgerSuite", "MakeLedger"]


class LedgerSuite(LifeOfABatch, Claims, Files, Operators, Transactions):
    """The conformance suite of ports.Ledger; override the fixture `make_ledger`."""
