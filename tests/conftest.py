"""What all tests share: real servers, and conformance suites whose asserts show their values.

The servers are fixtures by name: see `servers/`.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that does other things, too.
settings.register_profile("millstream", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millstream")

pytest.register_assert_rewrite(
    "millstream.testing.bell_suite",
    "millstream.testing.clock_suite",
    "millstream.testing.framelog_suite",
    "millstream.testing.ledger_suite",
    "millstream.testing.pool_suite",
    "millstream.testing.sink_suite",
    "millstream.testing.source_suite",
    "millstream.testing.spool_suite",
    "millstream.testing.store_suite",
)

pytest_plugins = (
    "watchdog",
    "servers.session",
    "servers.kafka",
    "servers.rabbitmq",
    "servers.postgres",
    "servers.temporal",
    "servers.objects",
    "servers.chromium",
)


def _is_skipped_in_ci(report: pytest.CollectReport | pytest.TestReport) -> bool:
    is_expected_to_fail = hasattr(report, "wasxfail")
    return report.skipped and not is_expected_to_fail and bool(os.environ.get("CI"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """What is missing on a laptop is a skip that names it; where CI is set, every skip is a failure."""
    report = yield
    if _is_skipped_in_ci(report):
        report.outcome, report.longrepr = "failed", f"skipped where CI is set: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The same for a test that skips by itself."""
    report = yield
    if _is_skipped_in_ci(report):
        report.outcome, report.longrepr = "failed", f"skipped where CI is set: {report.longrepr}"
    return report
