"""What every spool must do, as pytest tests: a spool of yours is right when a subclass of `SpoolSuite` passes.

    class TestMySpool(SpoolSuite):
        @contextmanager
        def store(self):
            with TemporaryDirectory() as folder:
                yield lambda *, segment_bytes: MySpool(folder, segment_bytes=segment_bytes)

The suite needs pytest and Hypothesis. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.spool_suite")` in a `conftest.py`.
"""

from millstream.testing.spool_suite.appending import Appending
from millstream.testing.spool_suite.forgetting import Forgetting
from millstream.testing.spool_suite.recovering import Recovering
from millstream.testing.spool_suite.sharing import Sharing
from millstream.testing.spool_suite.store import OpenSpool, content, fill, sync

__all__ = ["OpenSpool", "SpoolSuite", "content", "fill", "sync"]


class SpoolSuite(Appending, Sharing, Recovering, Forgetting):
    """The conformance suite of ports.Spool; override `store`."""
