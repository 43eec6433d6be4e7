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
from millstream.testing.ledger_suite.ingestions import Acceptances
from millstream.testing.ledger_suite.ingestions_acts import Acts, SingleBatches
from millstream.testing.ledger_suite.ingestions_fences import Fences
from millstream.testing.ledger_suite.ingestions_joining import Joining, Ringing
from millstream.testing.ledger_suite.ingestions_looking import Looking
from millstream.testing.ledger_suite.ingestions_progress import Progress
from millstream.testing.ledger_suite.ingestions_trouble import Failures
from millstream.testing.ledger_suite.ingestions_walk import Walks
from millstream.testing.ledger_suite.life import LifeOfABatch
from millstream.testing.ledger_suite.operators import Operators
from millstream.testing.ledger_suite.transactions import Transactions

__all__ = ["LedgerSuite", "MakeLedger"]


class IngestionSuite(Acceptances, Progress, Joining, Ringing, Looking, Failures, Fences, Acts, SingleBatches, Walks):
    """The part of it that is about ingestions."""


class LedgerSuite(LifeOfABatch, Claims, Files, Operators, Transactions, IngestionSuite):
    """The conformance suite of ports.Ledger; override the fixture `make_ledger`."""
