"""What both logs of live counting must do, as pytest tests: yours are right when subclasses of these suites pass.

    class TestMyFrameLog(FrameLogSuite):
        @contextmanager
        def deployment(self, *, partitions):
            with MyTopics(partitions) as topics:
                yield topics                            # a `Deployment`

`FrameLogSuite` and `DeltaLogSuite` take the same deployment. Nothing here sleeps: what takes time is polled for,
at most `PATIENCE_S` long. The suites need pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.framelog_suite")` in a `conftest.py`.
"""

from millstream.testing.framelog_suite.deltas import DeltaLogSuite
from millstream.testing.framelog_suite.deployment import Deployment, Share, deltas_of, read, share_out, started
from millstream.testing.framelog_suite.frames import FrameLogSuite

__all__ = ["DeltaLogSuite", "Deployment", "FrameLogSuite", "Share", "deltas_of", "read", "share_out", "started"]
