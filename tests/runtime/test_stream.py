"""The intake of a stream: deadlines, commits, a full disk, drains, and what a restart finds."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from millstream.adapters.jsonkey import json_key_reader
from millstream.core.lifecycle import State
from millstream.core.minibatch import Limits
from millstream.core.model import AttemptResult, CutReason, Done, Job, Kind
from millstream.core.operations import Claim, DeclarePipeline, Finish, Operation
from millstream.core.queries import ReadBatches, ReadPipelines, ReadSource
from millstream.core.rows import BatchRow
from millstream.errors import ConfigurationError, SourceError, SpoolDamagedError
from millstream.runtime import stream as module
from millstream.runtime.events import BatchClosed, Events, IntakeGoesOn, IntakeHeld, RecordsAccepted
from millstream.runtime.stream import StreamIntake, StreamSettings
from millstream.testing.clock import ManualClock
from millstream.testing.signals import Signals
from runtime.scripted import FailingSpool, ScriptedSource, lines_of, memory_ledger

START_S = 1_000_000.0
FULL = OSError(28, "No space left on device")


class Stand:
    """What an intake needs; all of it but the source survives a restart."""

    def __init__(self, **settings: object) -> None:
        self.settings = settings
        self.clock = ManualClock(start_s=START_S)
        self.spool = FailingSpool()
        self.ledger = memory_ledger()
        self.signals = Signals()
        self.source = ScriptedSource(self.clock)
        self.rings = 0

    def intake(self) -> StreamIntake:
        """A new engine's intake."""
        settings = {"name": "s", "limits": Limits(window_s=300.0), "sync_every_s": 0.0} | self.settings
        key = settings.get("key")
        return StreamIntake(
            StreamSettings(**settings),
            source=self.source,
            spool=self.spool,
            ledger=self.ledger,
            clock=self.clock,
            events=Events(self.signals),
            on_ready=self._ring,
            key_reader=json_key_reader(key) if key else None,
        )

    def _ring(self) -> None:
        self.rings += 1

    @asynccontextmanager
    async def running(self):
        """An intake that runs; the input ends, and with it the intake, when the test is done with it."""
        intake = self.intake()
        running = asyncio.create_task(intake.run())
        try:
            yield intake
            if not intake.ended.is_set():
                self.source.end()
            await asyncio.wait_for(running, 10)
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def batches(self) -> tuple[BatchRow, ...]:
        """All batches, oldest first."""
        return await self.ledger.read(ReadBatches())

    async def accepted(self) -> int:
        """How many records the ledger counts."""
        return sum(row.accepted_records for row in await self.ledger.read(ReadPipelines()))

    async def records(self, row: BatchRow) -> list[bytes]:
        """The records of a batch."""
        return b"".join(self.spool.read(row.log, row.ranges)).splitlines()


def play(scenario: Callable[[Stand], object], **settings: object) -> Stand:
    """Play a scenario that must not hang."""

    async def main() -> Stand:
        stand = Stand(**settings)
        try:
            await asyncio.wait_for(scenario(stand), 10)
        finally:
            await stand.ledger.close()
        return stand

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A held intake looks again at once."""
    monkeypatch.setattr(module, "HELD_RETRY_S", 0.001)


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_a_minibatch_closes_at_its_deadline_though_nothing_else_arrives():
    """Five minutes after its first record it is ready, on time; the next record opens the next one."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.source.put(b"one", b"two")
            await stand.clock.run_for(300)
            (closed,) = await stand.signals.wait_for(BatchClosed)
            (first,) = await stand.batches()
            stand.source.put(b"three")
            await stand.clock.settle()
            _, second = await stand.batches()

            assert (closed.batch_id, closed.cut, closed.records, closed.late_s) == (first.id, CutReason.TIME, 2, 0.0)
            assert (first.state, first.closes_at, first.closed_at) == (State.READY, START_S + 300, START_S + 300)
            assert (second.state, second.opened_at) == (State.OPEN, START_S + 300)
            assert stand.rings == 1

    play(scenario)


def test_an_idle_gap_closes_before_the_deadline():
    """The gap is counted from the last record, and each further record puts it off."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            for _ in range(3):
                stand.source.put(b"record")
                await stand.clock.run_for(9)
            await stand.clock.run_for(1)
            (closed,) = await stand.signals.wait_for(BatchClosed)
            (row,) = await stand.batches()

            assert (closed.cut, closed.records) == (CutReason.IDLE, 3)
            assert row.closed_at == START_S + 18 + 10

    play(scenario, limits=Limits(window_s=300, idle_gap_s=10))


def test_a_cut_is_committed_at_once_however_long_syncs_wait():
    """Records gather for `sync_every`, but a minibatch that is full or due does not wait for that."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.source.put(b"the first sync waits for nothing")
            await stand.signals.wait_for(RecordsAccepted)
            stand.source.put(b"gathered")
            await stand.clock.settle()
            gathered = await stand.accepted()
            stand.source.put(b"the third")
            (full,) = await stand.signals.wait_for(BatchClosed)
            stand.source.put(b"due in five minutes")
            await stand.clock.run_for(300)
            _, due = await stand.signals.wait_for(BatchClosed, count=2)

            assert gathered == 1
            assert (full.cut, full.records, full.late_s) == (CutReason.COUNT, 3, None)
            assert (due.cut, due.records, due.late_s) == (CutReason.TIME, 1, 0.0)

    play(scenario, limits=Limits(max_count=3), sync_every_s=3600.0)


def test_a_source_that_always_has_more_keeps_nobody_waiting():
    """However fast records come, minibatches close in time and a stop is heard."""

    class Torrent(ScriptedSource):
        async def read(self):
            return lines_of(b"drop", at=self._clock.now())

    async def scenario(stand: Stand) -> None:
        stand.source = Torrent(stand.clock)
        async with stand.running() as intake:
            await stand.signals.wait_for(RecordsAccepted)
            stand.clock.advance(300)
            (closed,) = await stand.signals.wait_for(BatchClosed)
            intake.stop()

        assert (closed.cut, closed.late_s) == (CutReason.TIME, 0.0)

    play(scenario)


def test_lateness_is_in_real_seconds():
    """At 300 times the speed, 30 engine seconds late is a tenth of a second."""

    async def scenario(stand: Stand) -> None:
        stand.clock = ManualClock(start_s=START_S, speed=300.0)
        stand.source = ScriptedSource(stand.clock)
        async with stand.running():
            stand.source.put(b"record")
            await stand.clock.settle()
            stand.clock.advance(330)
            (closed,) = await stand.signals.wait_for(BatchClosed)

            assert closed.late_s == pytest.approx(0.1)

    play(scenario)


# --- making it durable ------------------------------------------------------------------------------------------------


def test_the_ledger_hears_of_records_that_are_on_disk_only():
    """Each commit is preceded by a sync that covers all that it is about."""
    steps: list[tuple[str, int]] = []

    async def scenario(stand: Stand) -> None:
        sync, apply = stand.spool.sync, stand.ledger.apply

        async def note_sync() -> None:
            await sync()
            steps.append(("sync", stand.spool.size_bytes()))

        async def note_apply(operations: Sequence[Operation[object]]) -> list[object]:
            steps.append(("apply", operations[-1].main_end))
            return await apply(operations)

        stand.spool.sync, stand.ledger.apply = note_sync, note_apply
        async with stand.running():
            for number in range(5):
                stand.source.put(b"record %d" % number)
                await stand.clock.run_for(0.5)

    play(scenario, limits=Limits(window_s=1.0))

    assert steps[-1] == ("apply", 45)
    assert [name for name, _ in steps] == ["sync", "apply"] * (len(steps) // 2)
    for (_, synced), (_, told) in zip(steps[::2], steps[1::2], strict=True):
        assert told <= synced


def test_a_full_disk_holds_intake_and_loses_nothing():
    """Nothing more is read or accepted, with a message; once there is room everything goes on, deadlines included."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.source.put(b"safe")
            await stand.signals.wait_for(RecordsAccepted)
            stand.spool.error = FULL
            stand.source.put(b"waits")
            (held,) = await stand.signals.wait_for(IntakeHeld)
            stand.source.put(b"is not read")
            await stand.clock.run_for(300)
            await stand.spool.tried(more=3)
            during = (await stand.accepted(), stand.source.waiting, stand.signals.of(BatchClosed))
            stand.spool.error = None
            await stand.signals.wait_for(IntakeGoesOn)
            (closed,) = await stand.signals.wait_for(BatchClosed)
            (row, *_) = await stand.batches()

            assert "No space left on device" in held.reason
            assert during == (1, 1, [])
            assert (closed.records, row.closed_at) == (2, START_S + 300)
            assert len(stand.signals.of(IntakeHeld)) == len(stand.signals.of(IntakeGoesOn)) == 1
        assert await stand.accepted() == 3

    play(scenario)


def test_intake_waits_while_unfinished_batches_hold_too_much_spool():
    """With `max_spool`, reading stops above the limit and goes on when work has made room."""
    claim = Claim(pipeline="s", at=START_S, limit=9, max_bytes=1000, owner="engine", epoch=1)

    def done(job: Job) -> Finish:
        return Finish(batch_id=job.id, fence=job.fence, at=START_S, result=AttemptResult(outcome=Done()))

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            for _ in range(9):
                stand.source.put(b"x" * 59)
            (held,) = await stand.signals.wait_for(IntakeHeld)
            accepted = await stand.accepted()
            while jobs := await stand.ledger.do(claim):
                await stand.ledger.apply([done(job) for job in jobs])
                await stand.signals.wait_for(IntakeGoesOn, count=len(stand.signals.of(IntakeHeld)))
                await stand.clock.settle()

            assert accepted < 9
            assert "120 bytes of the spool, more than max-spool allows (100)" in held.reason
            assert await stand.accepted() == 9

    play(scenario, limits=Limits(max_count=1), max_spool_bytes=100)


# --- the end, a stop, a failure ---------------------------------------------------------------------------------------


def test_the_end_of_the_input_closes_and_is_remembered():
    """What is open is closed with reason `end`, and the source counts as read to its end."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            stand.source.put(b"one", b"two")
        (row,) = await stand.batches()
        source = await stand.ledger.read(ReadSource(pipeline="s", source="script"))

        assert (row.state, row.cut, row.records) == (State.READY, CutReason.END, 2)
        assert (source.position, source.finished) == ("2", True)
        assert intake.exhausted
        assert stand.source.closed == 1

    play(scenario)


def test_an_input_without_records_makes_no_batch():
    """It is finished all the same."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            pass
        source = await stand.ledger.read(ReadSource(pipeline="s", source="script"))

        assert await stand.batches() == ()
        assert source.finished
        assert intake.exhausted

    play(scenario)


@pytest.mark.parametrize(
    ("close_on_drain", "state", "cut"), [(False, State.OPEN, None), (True, State.READY, CutReason.DRAIN)]
)
def test_a_stop_keeps_or_closes_what_is_open(close_on_drain, state, cut):
    """Everything read before is accepted; the minibatch keeps its deadline, or is cut for the drain."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            stand.source.put(b"one")
            await stand.clock.settle()
            intake.stop()
        (row,) = await stand.batches()
        source = await stand.ledger.read(ReadSource(pipeline="s", source="script"))

        assert (row.state, row.cut, row.closes_at) == (state, cut, START_S + 300)
        assert await stand.accepted() == 1
        assert not source.finished
        assert not intake.exhausted
        assert intake.leaves_input

    play(scenario, close_on_drain=close_on_drain)


def test_what_cannot_be_read_again_is_taken_in_at_a_stop():
    """Leftovers of a source that is not replayable are accepted before the intake ends."""

    async def scenario(stand: Stand) -> None:
        stand.source = ScriptedSource(stand.clock, replayable=False)
        async with stand.running() as intake:
            stand.source.put(b"one")
            await stand.clock.settle()
            stand.source.left = lines_of(b"two", b"three", at=stand.clock.now())
            intake.stop()
        (row,) = await stand.batches()

        assert (row.records, await stand.records(row)) == (3, [b"one", b"two", b"three"])
        assert not intake.leaves_input

    play(scenario)


def test_a_source_that_fails_loses_nothing_that_came_before():
    """What was read is accepted and stays open with its deadline; then the error goes to whoever runs the intake."""

    async def scenario(stand: Stand) -> None:
        intake = stand.intake()
        running = asyncio.create_task(intake.run())
        stand.source.put(b"one")
        stand.source.fail(SourceError(source="script", reason="is broken"))
        with pytest.raises(SourceError, match="is broken"):
            await asyncio.wait_for(running, 10)
        (row,) = await stand.batches()

        assert (row.state, row.records, row.closes_at) == (State.OPEN, 1, START_S + 300)
        assert not (await stand.ledger.read(ReadSource(pipeline="s", source="script"))).finished
        assert intake.ended.is_set()
        assert not intake.exhausted
        assert stand.source.closed == 1

    play(scenario)


# --- restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "k"])
def test_a_restart_goes_on_with_what_was_open(key):
    """The next intake reads on from the stored position and closes the same minibatch at its original deadline."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            stand.source.put(b'{"k": 1}', b'{"k": 2}')
            await stand.clock.settle()
            intake.stop()
        stand.clock.advance(100)
        stand.spool = stand.spool.after_crash(keep_unsynced=9)
        stand.source = ScriptedSource(stand.clock)
        async with stand.running():
            stand.source.put(b'{"k": 1}')
            await stand.clock.run_until(START_S + 300)
            await stand.signals.wait_for(BatchClosed, count=2 if key else 1)
            rows = await stand.batches()

            assert stand.source.opened_at == ["2"]
            assert {(row.state, row.cut, row.closed_at) for row in rows} == {
                (State.READY, CutReason.TIME, START_S + 300)
            }
            assert [row.records for row in rows] == ([2, 1] if key else [3])

    play(scenario, key=key)


def test_a_deadline_that_passed_while_no_engine_ran():
    """The minibatch is closed at once, as of its deadline, before anything more goes into it."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            stand.source.put(b"one")
            await stand.clock.settle()
            intake.stop()
        stand.clock.advance(1000)
        stand.source = ScriptedSource(stand.clock)
        stand.source.put(b"two")
        async with stand.running():
            (closed,) = await stand.signals.wait_for(BatchClosed)
            first, second = await stand.batches()

            assert (closed.cut, closed.late_s) == (CutReason.TIME, 700.0)
            assert (first.records, first.closed_at) == (1, START_S + 300)
            assert (second.state, second.opened_at) == (State.OPEN, START_S + 1000)

    play(scenario)


@pytest.mark.parametrize(("before", "after"), [("k", None), (None, "k"), ("k", "user")])
def test_the_key_stays_the_same_while_minibatches_are_open(before, after):
    """Another key field could not tell which open minibatch a record belongs to, so the start is refused."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as intake:
            stand.source.put(b'{"k": 1, "user": 2}')
            await stand.clock.settle()
            intake.stop()
        stand.settings["key"] = after
        with pytest.raises(
            ConfigurationError, match=f"s: key: expected {before or 'none'}, .* found {after or 'none'}"
        ):
            await stand.intake().run()
        stand.settings["key"] = before
        async with stand.running():
            pass
        stand.settings["key"] = after
        stand.source = ScriptedSource(stand.clock)
        async with stand.running():
            stand.source.put(b'{"k": 1, "user": 2}')
        rows = await stand.batches()

        assert [row.records for row in rows] == [1, 1]
        assert [row.key for row in rows] == ["1" if before else None, {"k": "1", "user": "2"}.get(after)]

    play(scenario, key=before)


def test_the_name_of_another_pipeline_is_refused():
    """A stream does not go on where a pipeline of files was."""

    async def scenario(stand: Stand) -> None:
        await stand.ledger.do(DeclarePipeline(name="s", kind=Kind.BUCKET, at=START_S))
        with pytest.raises(ConfigurationError, match="name: 's' is a pipeline of bucket batches here"):
            await stand.intake().run()

    play(scenario)


def test_a_spool_that_lost_bytes_is_an_error_at_the_start():
    """Nothing is read when the spool holds less than the ledger accepted, and the source is let go."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.source.put(b"one")
        stand.spool = FailingSpool()
        stand.source = ScriptedSource(stand.clock)
        intake = stand.intake()
        with pytest.raises(SpoolDamagedError):
            await intake.run()

        assert stand.source.opened_at == []
        assert intake.ended.is_set()

    play(scenario)


def test_records_without_the_key_are_batched_together():
    """A record that is no JSON, or has no such field, is a record without a key and not a crash."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.source.put(b'{"k": "a"}', b"\xff\xfe\x00", b"[1]", b"", b'{"k": null}')
        rows = {row.key: row for row in await stand.batches()}

        assert {key: row.records for key, row in rows.items()} == {"a": 1, None: 4}
        assert await stand.records(rows[None]) == [b"\xff\xfe\x00", b"[1]", b"", b'{"k": null}']

    play(scenario, key="k")
