"""The intake of files: when it looks, what it takes, and how it packs."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Done, FileRef, Kind
from millstream.core.operations import Claim, DeclarePipeline, Finish
from millstream.core.queries import ReadBatches, ReadFiles
from millstream.core.schedule import Daily, Every
from millstream.errors import ConfigurationError, SourceError
from millstream.ports import Listing
from millstream.runtime.events import Events, FilesListed, FilesPlanned, NextRun
from millstream.runtime.files import LOOKS_FOR_UNSETTLED, FilesIntake, FilesSettings
from millstream.testing.clock import ManualClock
from millstream.testing.signals import Signals
from runtime.scripted import memory_ledger

NOON_S = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
HOUR_S = 3600.0
NIGHTLY = Daily(hour=2, minute=0, zone=UTC)


def file(name: str, *, size_bytes: int = 10, version: int = 1) -> FileRef:
    """A file in `/in`."""
    return FileRef(path=f"/in/{name}", size_bytes=size_bytes, mtime_ns=version, inode=1, root="/in", name=name)


class ScriptedLister:
    """Finds what the test put there, and knows when it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        self.settled: list[FileRef] = []
        self.unsettled: list[FileRef] = []
        self.error: SourceError | None = None
        self.looks: list[float] = []
        self._clock = clock

    async def scan(self) -> Listing:
        """See ports.Lister."""
        self.looks.append(self._clock.civil())
        if self.error is not None:
            raise self.error
        return Listing(settled=tuple(self.settled), unsettled=tuple(self.unsettled))


class Stand:
    """What an intake needs; all of it survives a restart."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings
        self.clock = ManualClock(start_s=NOON_S)
        self.lister = ScriptedLister(self.clock)
        self.ledger = memory_ledger()
        self.signals = Signals()
        self.rings = 0

    def intake(self) -> FilesIntake:
        """A new engine's intake."""
        return FilesIntake(
            FilesSettings(name="f", **({"capacity": 100} | self.settings)),
            lister=self.lister,
            ledger=self.ledger,
            clock=self.clock,
            events=Events(self.signals),
            on_ready=self._ring,
        )

    def _ring(self) -> None:
        self.rings += 1

    async def pass_time(self, seconds: float, *, looks: int) -> None:
        """Let time pass until the lister was asked so often in all; plans are made in a thread."""
        await self.clock.run_for(seconds)
        await self.signals.wait_for(NextRun, count=looks + (NIGHTLY is self.settings.get("schedule")))
        assert len(self.lister.looks) == looks

    async def planned(self) -> list[list[str]]:
        """The names of the files in each bucket."""
        rows = await self.ledger.read(ReadBatches(pipeline="f"))
        return [[ref.name for ref in row.files] for row in rows]


def play(scenario: Callable[[Stand], object], **settings: object) -> None:
    """Play a scenario that must not hang."""

    async def main() -> None:
        stand = Stand(**settings)
        try:
            await asyncio.wait_for(scenario(stand), 10)
        finally:
            await stand.ledger.close()

    asyncio.run(main())


# --- one look ---------------------------------------------------------------------------------------------------------


def test_one_look_packs_what_is_there_and_ends():
    """Without a schedule all files become buckets at once, and the intake has come to its end."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [file("a", size_bytes=60), file("b", size_bytes=40), file("c", size_bytes=120)]
        intake = stand.intake()
        await intake.run()
        rows = await stand.ledger.read(ReadBatches(pipeline="f"))
        (planned,) = stand.signals.of(FilesPlanned)

        assert sorted((row.size_bytes, row.oversize, row.state) for row in rows) == [
            (100, False, State.READY),
            (120, True, State.READY),
        ]
        assert (planned.files, planned.buckets, planned.size_bytes) == (3, 2, 220)
        assert (planned.lower_bound, planned.optimal, planned.strategy) == (2, True, "ffd")
        assert intake.exhausted
        assert intake.ended.is_set()
        assert intake.leaves_input
        assert stand.rings == 1

    play(scenario, strategy="ffd")


def test_nothing_to_do_makes_no_bucket():
    """An empty folder is no error, and nobody is told of work."""

    async def scenario(stand: Stand) -> None:
        await stand.intake().run()

        assert await stand.planned() == []
        assert stand.signals.of(FilesPlanned) == []
        assert stand.rings == 0

    play(scenario)


def test_known_versions_are_not_planned_twice():
    """A file is in one bucket however often it is listed; a changed one is a new version and is planned again."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [file("a"), file("b")]
        await stand.intake().run()
        await stand.intake().run()
        stand.lister.settled = [file("a"), file("b", version=2), file("c")]
        await stand.intake().run()

        assert await stand.planned() == [["a", "b"], ["b", "c"]]
        assert [event.new for event in stand.signals.of(FilesListed)] == [2, 0, 2]

    play(scenario, strategy="ffd")


def test_files_that_are_still_written_are_looked_at_again():
    """A look finds one unsettled; the next, after the settling time, takes it."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled, stand.lister.unsettled = [file("a")], [file("b")]
        running = asyncio.create_task(stand.intake().run())
        await stand.clock.wait_for_sleepers(1)
        first = await stand.planned()
        stand.lister.settled, stand.lister.unsettled = [file("a"), file("b", version=2)], []
        await stand.clock.run_for(2 * 300)
        await running

        assert first == [["a"]]
        assert await stand.planned() == [["a"], ["b"]]
        assert stand.lister.looks == [NOON_S, NOON_S + 600]

    async def fast(stand: Stand) -> None:
        """Settling is a matter of the real clock, whatever the engine's speed."""
        stand.clock = ManualClock(start_s=NOON_S, speed=300)
        stand.lister = ScriptedLister(stand.clock)
        await scenario(stand)

    play(fast, settle_s=2.0)


def test_a_file_that_never_settles_does_not_hold_up_the_end():
    """After a few looks it is reported and left for the next run."""

    async def scenario(stand: Stand) -> None:
        stand.lister.unsettled = [file("log")]
        running = asyncio.create_task(stand.intake().run())
        for _ in range(LOOKS_FOR_UNSETTLED):
            await stand.clock.wait_for_sleepers(1)
            await stand.clock.run_for(2)
        await running

        assert len(stand.lister.looks) == LOOKS_FOR_UNSETTLED
        assert {event.unsettled for event in stand.signals.of(FilesListed)} == {("/in/log",)}

    play(scenario, settle_s=2.0)


def test_a_stop_ends_the_wait_for_unsettled_files():
    """The run then counts as not exhausted."""

    async def scenario(stand: Stand) -> None:
        stand.lister.unsettled = [file("log")]
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        await stand.clock.wait_for_sleepers(1)
        intake.stop()
        await running

        assert not intake.exhausted
        assert len(stand.lister.looks) == 1

    play(scenario, settle_s=2.0)


def test_a_folder_that_is_gone_is_an_error():
    """Whoever runs the intake hears of it, and of the end."""

    async def scenario(stand: Stand) -> None:
        stand.lister.error = SourceError(source="/in", reason="is gone")
        intake = stand.intake()
        with pytest.raises(SourceError, match="is gone"):
            await intake.run()

        assert intake.ended.is_set()
        assert not intake.exhausted

    play(scenario)


def test_the_name_of_another_pipeline_is_refused():
    """Files do not go on where a stream was."""

    async def scenario(stand: Stand) -> None:
        await stand.ledger.do(DeclarePipeline(name="f", kind=Kind.MINIBATCH, at=NOON_S))
        with pytest.raises(ConfigurationError, match="name: 'f' is a pipeline of minibatch batches here"):
            await stand.intake().run()

        assert stand.lister.looks == []

    play(scenario)


# --- schedules --------------------------------------------------------------------------------------------------------


def test_every_ten_minutes_new_files_are_picked_up():
    """The first look is at the start, and no look comes early or is caught up."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [file("a")]
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        await stand.signals.wait_for(NextRun)
        stand.lister.settled.append(file("b"))
        await stand.pass_time(599, looks=1)
        await stand.pass_time(1, looks=2)
        stand.clock.advance(1500)
        await stand.pass_time(0, looks=3)
        await stand.pass_time(300, looks=4)
        intake.stop()
        await running

        assert [at - NOON_S for at in stand.lister.looks] == [0, 600, 2100, 2400]
        assert await stand.planned() == [["a"], ["b"]]
        assert not intake.exhausted
        assert not intake.leaves_input

    play(scenario, schedule=Every(period_s=600.0))


def test_at_a_time_of_day():
    """The first look waits for the hour, and each day has one."""

    async def scenario(stand: Stand) -> None:
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        await stand.pass_time(13.9 * HOUR_S, looks=0)
        await stand.pass_time(0.1 * HOUR_S, looks=1)
        await stand.pass_time(24 * HOUR_S, looks=2)
        intake.stop()
        await running

        assert [at - NOON_S for at in stand.lister.looks] == [14 * HOUR_S, 38 * HOUR_S]
        assert [event.at for event in stand.signals.of(NextRun)] == [NOON_S + n * HOUR_S for n in (14, 38, 62)]

    play(scenario, schedule=NIGHTLY)


def test_a_wall_clock_that_is_set_forward_brings_the_run_closer():
    """An operator corrects the clock by an hour: the run is at two by the new time."""

    async def scenario(stand: Stand) -> None:
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        await stand.pass_time(12 * HOUR_S, looks=0)
        stand.clock.step_civil(HOUR_S)
        await stand.pass_time(HOUR_S, looks=1)
        intake.stop()
        await running

        assert stand.lister.looks == [NOON_S + 14 * HOUR_S]

    play(scenario, schedule=NIGHTLY)


def test_a_wall_clock_that_is_set_back_does_not_repeat_the_run():
    """The night's run is over at three; the clock is set back to half past one: the next run is tomorrow's."""

    async def scenario(stand: Stand) -> None:
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        await stand.pass_time(15 * HOUR_S, looks=1)
        stand.clock.step_civil(-1.5 * HOUR_S)
        await stand.pass_time(24 * HOUR_S, looks=1)
        await stand.pass_time(0.5 * HOUR_S, looks=2)
        intake.stop()
        await running

        assert [at - NOON_S for at in stand.lister.looks] == [14 * HOUR_S, 38 * HOUR_S]

    play(scenario, schedule=NIGHTLY)


# --- packing ----------------------------------------------------------------------------------------------------------


def sizes_of(rows: Sequence[object]) -> list[list[int]]:
    """The sizes of the files in each bucket, costliest first."""
    return [[ref.size_bytes for ref in row.files] for row in sorted(rows, key=lambda row: -row.cost_s)]


def test_folders_go_together_first():
    """Grouped by folder, a bucket holds files of one folder where that is possible."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [
            FileRef(path=f"/in/{folder}/{n}", size_bytes=30, mtime_ns=1, inode=n, name=f"{folder}{n}")
            for folder in "ab"
            for n in range(3)
        ]
        await stand.intake().run()

        assert sorted(await stand.planned()) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]

    play(scenario, group_by_folder=True, strategy="ffd")


def test_the_cost_model_is_fitted_from_past_attempts():
    """After enough attempts that took a second per byte, a bucket's cost says so; before, the settings' model does."""

    async def work(stand: Stand, ids: int) -> None:
        claim = Claim(pipeline="f", at=NOON_S, limit=100, max_bytes=10**9, owner="engine", epoch=1)
        jobs = await stand.ledger.do(claim)
        assert len(jobs) == ids
        for job in jobs:
            seconds = 1.0 * job.size_bytes + 5.0 * job.records + 2.0
            result = AttemptResult(outcome=Done(), seconds=seconds)
            await stand.ledger.do(Finish(batch_id=job.id, fence=job.fence, at=NOON_S, result=result))

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [
            file(f"{n}-{m}", size_bytes=10 + 3 * n * m) for n in range(12) for m in range(1 + n % 4)
        ]
        stand.settings["max_files"] = 3
        first = await stand.intake().plan()
        await stand.intake().run()
        await work(stand, len(first.buckets))
        stand.lister.settled = [file("new", size_bytes=50)]
        await stand.intake().run()
        (row,) = await stand.ledger.read(ReadBatches(pipeline="f", states=(State.READY,)))

        assert all(bucket.cost_s < 1 for bucket in first.buckets)
        assert row.cost_s == pytest.approx(50 + 5 + 2, rel=0.01)

    play(scenario, strategy="ff")


def test_a_plan_tells_the_ledger_nothing():
    """It can be shown and thrown away."""

    async def scenario(stand: Stand) -> None:
        stand.lister.settled, stand.lister.unsettled = [file("a")], [file("b")]
        plan = await stand.intake().plan()

        assert [ref.name for ref in plan.files] == ["a"]
        assert plan.unsettled == 1
        assert await stand.planned() == []
        assert await stand.ledger.read(ReadFiles(pipeline="f")) == ()

    play(scenario)


def test_a_function_of_the_user_packs():
    """A strategy is a name, or a function that numbers the bucket of each file."""

    def one_each(sizes, capacity):
        return range(len(sizes))

    async def scenario(stand: Stand) -> None:
        stand.lister.settled = [file("a"), file("b")]
        await stand.intake().run()

        assert sorted(await stand.planned()) == [["a"], ["b"]]

    play(scenario, strategy=one_each)
