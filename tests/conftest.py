"""What all tests share: asserts of the conformance suites show their values like those of a test file."""

import pytest

pytest.register_assert_rewrite(
    "millstream.testing.clock_suite",
    "millstream.testing.ledger_suite",
    "millstream.testing.pool_suite",
    "millstream.testing.source_suite",
    "millstream.testing.spool_suite",
)
