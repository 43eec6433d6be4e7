"""Doorbells over a real Temporal server."""

from collections.abc import Callable

import pytest

pytest.importorskip("temporalio")

from millstream.adapters.temporal.bell import TemporalBell
from millstream.adapters.temporal.connecting import TemporalServer
from millstream.core.tasks import PIPELINE
from millstream.testing.bell_suite import BellOutageSuite, BellSuite, MakeBell
from servers.temporal import OwnTemporal, Temporal


class TestTemporalBell(BellSuite):
    @pytest.fixture
    def make_bell(self, temporal: Temporal) -> MakeBell:
        prefix = temporal.name()
        return lambda: TemporalBell(TemporalServer(target=temporal.address), pipeline=PIPELINE, prefix=prefix)


@pytest.mark.slow
class TestTemporalBellOutage(BellOutageSuite):
    @pytest.fixture
    def make_bell(self, own_temporal: OwnTemporal) -> MakeBell:
        return lambda: TemporalBell(TemporalServer(target=own_temporal.address), pipeline=PIPELINE)

    @pytest.fixture
    def kill(self, own_temporal: OwnTemporal) -> Callable[[], None]:
        return own_temporal.kill

    @pytest.fixture
    def start(self, own_temporal: OwnTemporal) -> Callable[[], None]:
        return own_temporal.start
