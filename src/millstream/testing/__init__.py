"""For tests of handlers, of adapters and of Millstream itself: time, signals, faults.

The conformance suites of the ports are modules of their own, because they need pytest (and Hypothesis): `bell_suite`,
`clock_suite`, `framelog_suite`, `ledger_suite`, `pool_suite`, `sink_suite`, `source_suite`, `spool_suite` and
`store_suite`.
"""

from millstream.testing.attempts import bucket, minibatch
from millstream.testing.clock import ManualClock
from millstream.testing.faults import Crash, FaultPlan, FaultyLedger, FaultySpool, MemorySpool, slow
from millstream.testing.signals import Signals

__all__ = [
    "Crash",
    "FaultPlan",
    "FaultyLedger",
    "FaultySpool",
    "ManualClock",
    "MemorySpool",
    "Signals",
    "bucket",
    "minibatch",
    "slow",
]
