"""For tests of handlers, of adapters and of Millstream itself: time, signals, faults, conformance suites."""

from millstream.testing.clock import ManualClock
from millstream.testing.faults import Crash, FaultPlan, FaultyLedger, FaultySpool, MemorySpool, slow
from millstream.testing.ledger_suite import LedgerSuite
from millstream.testing.signals import Signals
from millstream.testing.spool_suite import SpoolSuite

__all__ = [
    "Crash",
    "FaultPlan",
    "FaultyLedger",
    "FaultySpool",
    "LedgerSuite",
    "ManualClock",
    "MemorySpool",
    "Signals",
    "SpoolSuite",
    "slow",
]
