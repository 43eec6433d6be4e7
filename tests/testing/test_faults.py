"""Fault injection: crashes at every step, torn tails, slow handlers."""

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.model import Done, Job, Kind, Retry
from millstream.core.operations import ReadMeta, SetMeta
from millstream.errors import SpoolDamagedError
from millstream.runtime.batch import Batch, Context
from millstream.testing.clock import ManualClock
from millstream.testing.faults import Crash, FaultPlan, FaultyLedger, FaultySpool, MemorySpool, slow
from millstream.testing.spool_suite import OpenSpool, SpoolSuite, content, fill, sync
