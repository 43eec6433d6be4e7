"""No test holds up a session for ever, and what failed is told at once.

Theory of operation: pytest-timeout interrupts a test in its main thread, once; a test that waits again while it
cleans up, a fixture that waits after a failure, or compiled code that does not return would then wait without end. So
a thread that needs no interpreter watches over each step of a test: after a second limit it prints where each thread
is and ends the process, which pytest-xdist tells as a failure of that test, and goes on with another process.
"""

import faulthandler
import os
import signal
from collections.abc import Generator
from typing import TextIO

import pytest

GRACE_S = 60.0
"""What a step of a test gets after pytest-timeout has interrupted it."""

_STDERR = pytest.StashKey[TextIO]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep what standard error is while nothing is captured; hear interrupts, as does then what tests start."""
    config.stash[_STDERR] = os.fdopen(os.dup(2), "w")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what is to run in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Name failures where the session is told."""
    plugins = session.config.pluginmanager
    reporter = plugins.get_plugin("terminalreporter")
    if reporter is not None and not hasattr(session.config, "workerinput"):
        plugins.register(_Failures(reporter))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give it back."""
    config.stash[_STDERR].close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Watch over the fixtures."""
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch over the test."""
    return (yield from _watched(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Watch over the end of the fixtures, which no timeout interrupts after a failure."""
    return (yield from _watched(item))


class _Failures:
    """Names each failure when it happens: a session that is ended from outside leaves no summary."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A line for it, below the dots."""
        if report.failed:
            message = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            said = message.partition("\n")[0] or report.longreprtext.rstrip().rpartition("\n")[2]
            self._reporter.write_line(f"\nFAILED {report.nodeid} ({report.when}): {said}")


def _watched(item: pytest.Item) -> Generator[None, object, object]:
    faulthandler.dump_traceback_later(_limit_s(item) + GRACE_S, exit=True, file=item.config.stash[_STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _limit_s(item: pytest.Item) -> float:
    """What pytest-timeout gives the test, in seconds."""
    marker = item.get_closest_marker("timeout")
    if marker is not None:
        return float(marker.args[0] if marker.args else marker.kwargs["timeout"])
    option = item.config.getoption("timeout")
    return float(item.config.getini("timeout") if option is None else option)
