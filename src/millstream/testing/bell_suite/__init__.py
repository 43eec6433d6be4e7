"""What every bell must do, as pytest tests: a bell of yours is right when a subclass of `BellSuite` passes.

    class TestMyBell(BellSuite):
        @pytest.fixture
        def make_bell(self, server):
            return lambda: MyBell(server, pipeline=PIPELINE, prefix=...)

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.bell_suite")` in a `conftest.py`.
"""

from millstream.testing.bell_suite.outage import BellOutageSuite
from millstream.testing.bell_suite.ringing import BellSuite
from millstream.testing.bell_suite.workshop import PATIENCE_S, MakeBell, Workshop, answering, in_time, ring_for

__all__ = ["PATIENCE_S", "BellOutageSuite", "BellSuite", "MakeBell", "Workshop", "answering", "in_time", "ring_for"]
