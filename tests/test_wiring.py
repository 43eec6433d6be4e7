"""The composition root: the parts that decide something themselves."""

import asyncio
import time
from pathlib import Path

import pytest

from millstream.adapters.clock import CLOCK_ANCHOR, SystemClock
from millstream.adapters.filework import CopyTo, MergeTo, Verify
from millstream.adapters.simulator import SimulatedMessages
from millstream.adapters.sqlite import SqliteLedger
from millstream.adapters.stdin import StandardInput
from millstream.adapters.textfile import TextFile
from millstream.config import FilesConfig, StreamConfig
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadMeta
from millstream.errors import StrategyFailedError
from millstream.runtime.command import CommandHandler
from millstream.testing.clock import ManualClock
from millstream.wiring.engine import engine_clock
from millstream.wiring.handlers import handler_of, import_function
from millstream.wiring.inputs import source_of, strategy_of

NEAR_S = 60.0
"""Tests run at their own pace; the times they tell apart are hours from each other."""


def clocks(*speeds: float, anchor: str | None = None) -> tuple[list[SystemClock], str | None]:
    """The clocks of engines that run one after the other at these speeds, and the anchor that is stored then."""

    async def start_all() -> tuple[list[SystemClock], str | None]:
        ledger = SqliteLedger(Path(":memory:"), inline=True)
        try:
            if anchor is not None:
                await ledger.do(SetMeta(key=CLOCK_ANCHOR, value=anchor))
            started = [await engine_clock(ledger, speed=speed) for speed in speeds]
            return started, await ledger.read(ReadMeta(key=CLOCK_ANCHOR))
        finally:
            await ledger.close()

    return asyncio.run(start_all())


# --- the clock of the engine ------------------------------------------------------------------------------------------


def test_at_normal_speed_engine_time_is_wall_time():
    """Nothing is stored, so that a wall clock that is set right later is right for the engine, too."""
    (clock,), stored = clocks(1.0)

    assert clock.now() == pytest.approx(time.time(), abs=NEAR_S)
    assert stored is None


def test_a_fast_clock_begins_now_and_goes_on_after_a_restart():
    """The second engine is where the first one would be by now."""
    (first, second), stored = clocks(300.0, 300.0)

    assert stored is not None
    assert first.anchor == second.anchor
    assert first.now() == pytest.approx(second.now(), abs=1.0)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_another_speed_goes_on_along_the_same_axis(speed):
    """An engine that was hours ahead of the wall stays ahead, or stored deadlines would be far off."""
    ahead = f'{{"engine_s": {time.time() + 36_000}, "wall_s": {time.time()}, "speed": 300.0}}'
    (clock,), _ = clocks(speed, anchor=ahead)

    assert clock.speed == speed
    assert clock.now() - time.time() == pytest.approx(36_000, abs=300 * NEAR_S)


# --- what works the batches, and where records come from --------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (FilesConfig(verify=True), Verify),
        (FilesConfig(merge_to="lake"), MergeTo),
        (FilesConfig(copy_to="copies", paths=("/tmp",)), CopyTo),
        (FilesConfig(command=("cat",)), CommandHandler),
        (StreamConfig(source="-", command=("cat",)), CommandHandler),
    ],
)
def test_the_work_that_is_asked_for(settings, kind):
    """Each way to work a batch has its handler."""
    assert isinstance(handler_of(settings)(), kind)


@pytest.mark.parametrize("settings", [FilesConfig(), StreamConfig(source="-")])
def test_without_a_handler_a_batch_is_done(settings):
    """Its records or files are accepted, cut and accounted for, and that is all."""
    assert handler_of(settings)()(None, None).detail == ""


def test_a_function_is_its_own_handler():
    """Python callers hand over functions, also ones that nobody could import."""
    assert handler_of(StreamConfig(source="-", handler=len))() is len


def test_an_import_path_may_lead_into_a_class():
    """`package.module:Class.method`."""
    assert import_function("pathlib:Path.exists") is Path.exists


@pytest.mark.parametrize(("name", "kind"), [("-", StandardInput), ("sim:messages", SimulatedMessages), ("x", TextFile)])
def test_the_source_that_is_named(name, kind):
    """Whatever is neither standard input nor simulated is a file."""
    assert isinstance(source_of(StreamConfig(source=name), ManualClock()), kind)


def test_a_strategy_that_raises_is_told_in_one_line():
    """A user's packing function ends the engine with its exception in words, not with a traceback."""

    def broken(sizes, capacity_bytes):
        return 1 // 0

    pack = strategy_of(FilesConfig(paths=("/tmp",), strategy=broken))

    with pytest.raises(StrategyFailedError, match=r"broken .* ZeroDivisionError"):
        pack([1], 10)
