"""What all tests share: real servers, and conformance suites whose asserts show their values.

The servers are fixtures by name: see `servers/`.
"""

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that does other things, too.
settings.register_profile("millstream", deadline=None)
settings.load_profile("millstream")

pytest.register_assert_rewrite(
    "millstream.testing.clock_suite",
    "millstream.testing.framelog_suite",
    "millstream.testing.ledger_suite",
    "millstream.testing.pool_suite",
    "millstream.testing.source_suite",
    "millstream.testing.spool_suite",
)

pytest_plugins = (
    "servers.session",
    "servers.kafka",
    "servers.rabbitmq",
    "servers.postgres",
    "servers.temporal",
    "servers.objects",
    "servers.chromium",
)
