"""Asserts of the conformance suites tell their values like those of a test file."""

import pytest

pytest.register_assert_rewrite("millstream.testing.ledger_suite", "millstream.testing.spool_suite")
