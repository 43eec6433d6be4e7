"""The janitor: what is kept, what is removed, and that a dead batch stays readable without pinning the spool."""

import asyncio
import zlib
from collections.abc import Callable
from itertools import count

import pytest

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, CutReason, Discard, Done, Kind, Outcome, Retry
from millstream.core.operations import Accept, Claim, CloseBatch, DeclarePipeline, Finish, GrowBatch, OpenBatch, Revive
from millstream.core.queries import ReadAttempts, ReadBatches, ReadFiles
from millstream.core.rows import BatchRow
from millstream.errors import LedgerUnreachableError, SpoolDamagedError
from millstream.runtime import janitor
from millstream.runtime.janitor import DEAD, Janitor, Kept
from millstream.testing.clock import ManualClock
from millstream.testing.faults import MemorySpool
from millstream.testing.ledger_suite.driver import a_file, plan
from runtime.scripted import FailingSpool, memory_ledger

NAME = "orders"
START_S = 1_000_000.0
KEEP_S = 1000.0
DATA = b"0123456789\n" * 4


class Stand:
    """A stream whose minibatches each fill a segment of their own."""

    def __init__(self, spool: MemorySpool, *, keyed: bool = False) -> None:
        self.clock = ManualClock(start_s=START_S)
        self.ledger = memory_ledger()
        self.spool = spool
        self.log = "runs" if keyed else "main"
        self.janitor = Janitor(
            [Kept(pipeline=NAME, spool=self.spool, keyed=keyed)],
            ledger=self.ledger,
            clock=self.clock,
            keep_s=KEEP_S,
        )
        self._seq = count(1)
        self._ends = {"main": 0, "runs": 0}

    async def take(self, batch_id: str, *, is_open: bool = False) -> None:
        """A minibatch takes in DATA, and is closed unless `is_open`."""
        start = self.spool.append(self.log, DATA)
        end = self._ends[self.log] = start + len(DATA)
        await self.spool.sync()
        now, ranges = self.clock.now(), ((start, end),)
        filled = {"batch_id": batch_id, "records": 4, "size_bytes": 44, "checksum": zlib.crc32(DATA), "ranges": ranges}
        await self.ledger.apply(
            [
                DeclarePipeline(name=NAME, kind=Kind.MINIBATCH, at=now),
                OpenBatch(
                    batch_id=batch_id,
                    pipeline=NAME,
                    key=None,
                    seq=next(self._seq),
                    opened_at=now,
                    closes_at=None,
                    start=start,
                    log=self.log,
                ),
                GrowBatch(last_at=now, **filled),
                *([] if is_open else [CloseBatch(cut=CutReason.COUNT, closed_at=now, at=now, **filled)]),
                Accept(
                    pipeline=NAME,
                    source="x",
                    position="",
                    records=4,
                    size_bytes=44,
                    main_end=self._ends["main"],
                    runs_end=self._ends["runs"],
                    spilled_to=self._ends["main"],
                ),
            ]
        )

    async def work(self, outcome: Outcome, *, bury: bool = False) -> None:
        """The oldest ready batch is worked."""
        now = self.clock.now()
        (job,) = await self.ledger.do(Claim(pipeline=NAME, at=now, limit=1, max_bytes=10**9, owner="e", epoch=1))
        result = AttemptResult(outcome=outcome)
        await self.ledger.do(
            Finish(batch_id=job.id, fence=job.fence, at=now, result=result, not_before=now + 9, bury=bury)
        )

    async def clean_later(self, seconds: float = KEEP_S + 1) -> int:
        """Time passes, and the janitor comes."""
        self.clock.advance(seconds)
        return await self.janitor.clean()

    async def batch(self, batch_id: str) -> BatchRow:
        """A batch as the ledger sees it."""
        (row,) = await self.ledger.read(ReadBatches(batch_id=batch_id))
        return row

    async def batches(self) -> list[str]:
        """The ids of all batches."""
        return [row.id for row in await self.ledger.read(ReadBatches())]

    async def is_readable(self, batch_id: str) -> bool:
        """Whether the spool has the records of a batch."""
        row = await self.batch(batch_id)
        try:
            return b"".join(self.spool.read(row.log, row.ranges)) == DATA
        except SpoolDamagedError:
            return False


def play(
    scenario: Callable[[Stand], object], *, spool: Callable[..., MemorySpool] = MemorySpool, keyed: bool = False
) -> None:
    """Play a scenario that must not hang."""

    async def main() -> None:
        stand = Stand(spool(segment_bytes=44), keyed=keyed)
        try:
            await asyncio.wait_for(scenario(stand), 10)
        finally:
            await stand.ledger.close()

    asyncio.run(main())


def test_finished_batches_are_kept_for_a_while():
    """Before `--keep` has passed they are there with attempts and records, after it they are gone with all of that."""

    async def scenario(stand: Stand) -> None:
        await stand.take("a")
        await stand.take("b")
        await stand.take("open", is_open=True)
        await stand.work(Done())
        await stand.work(Discard("no"))
        early = (await stand.clean_later(KEEP_S), await stand.batches(), await stand.is_readable("a"))
        late = (await stand.clean_later(1.0), await stand.batches(), stand.spool.size_bytes())

        assert early == (0, ["a", "b", "open"], True)
        assert late == (2, ["open"], 44)
        assert await stand.ledger.read(ReadAttempts(batch_id="a")) == ()
        assert await stand.is_readable("open")

    play(scenario)


def test_unfinished_batches_keep_the_spool_behind_them():
    """Segments go from the oldest on, up to the first that somebody still needs, however long that takes."""

    async def scenario(stand: Stand) -> None:
        for name in ("done", "waits", "done too", "open"):
            await stand.take(name, is_open=name == "open")
        await stand.work(Done())
        await stand.work(Retry())
        await stand.work(Done())
        await stand.clean_later(100 * KEEP_S)

        assert await stand.batches() == ["waits", "open"]
        assert stand.spool.size_bytes() == 3 * 44
        assert await stand.is_readable("waits")
        assert await stand.is_readable("open")

    play(scenario)


def test_an_open_minibatch_keeps_its_first_record():
    """Also when nothing else is left, and when it has no range in the ledger yet."""

    async def scenario(stand: Stand) -> None:
        await stand.take("open", is_open=True)
        await stand.take("done")
        await stand.work(Done())
        await stand.clean_later()

        assert await stand.is_readable("open")

    play(scenario)


def test_a_dead_batch_is_kept_and_does_not_pin_what_came_after_it():
    """Its records move to a log of their own once they are the only ones that need the old segments."""

    async def scenario(stand: Stand) -> None:
        await stand.take("dead")
        await stand.take("done")
        await stand.take("open", is_open=True)
        await stand.work(Retry(error="x"), bury=True)
        await stand.work(Done())
        await stand.clean_later(KEEP_S - 1)
        before = (await stand.batch("dead")).log
        await stand.clean_later(2.0)
        after = (await stand.batch("dead")).log

        assert (before, after) == ("main", DEAD)
        assert await stand.batches() == ["dead", "open"]
        assert await stand.is_readable("dead")
        assert stand.spool.size_bytes() == 2 * 44

    play(scenario)


def test_a_dead_batch_is_copied_once():
    """Further rounds leave it where it is."""

    async def scenario(stand: Stand) -> None:
        await stand.take("dead")
        await stand.work(Retry(error="x"), bury=True)
        for _ in range(4):
            await stand.take("open", is_open=True) if "open" not in await stand.batches() else None
            await stand.clean_later()

        assert (await stand.batch("dead")).ranges == ((0, 44),)
        assert stand.spool.size_bytes() == 2 * 44

    play(scenario)


def test_a_revived_batch_is_worked_from_its_copy_and_then_forgotten():
    """`millstream retry` finds the records in the log of the dead; once it is done that log is cleaned up, too."""

    async def scenario(stand: Stand) -> None:
        for name in ("first", "second", "last"):
            await stand.take(name)
            await stand.work(Retry(error="x"), bury=True)
        await stand.clean_later()
        await stand.ledger.do(Revive(batch_id=None, at=stand.clock.now()))
        await stand.clean_later()
        readable = [await stand.is_readable(name) for name in ("first", "second", "last")]
        for _ in range(3):
            await stand.work(Done())
        await stand.clean_later()

        assert readable == [True] * 3
        assert await stand.batches() == []
        # Of each log the last segment stays, so that positions go on after it.
        assert stand.spool.size_bytes() <= 2 * 44

    play(scenario)


def test_with_keys_the_sorted_runs_are_cleaned_up_and_the_main_log_as_far_as_they_reach():
    """What was sorted into runs is not needed in the order of arrival any more."""

    async def scenario(stand: Stand) -> None:
        for _ in range(3):
            stand.spool.append("main", DATA)
        stand._ends["main"] = 3 * 44
        await stand.take("dead")
        await stand.take("done")
        await stand.take("ready")
        await stand.work(Retry(error="x"), bury=True)
        await stand.work(Done())
        await stand.clean_later()

        assert (await stand.batch("dead")).log == DEAD
        assert [await stand.is_readable(name) for name in ("dead", "ready")] == [True, True]
        # One segment of each log: the last of main, that of the ready batch in runs, that of the dead one.
        assert stand.spool.size_bytes() == 3 * 44

    play(scenario, keyed=True)


def test_files_stay_known_after_their_bucket_is_forgotten():
    """Or they would be worked again."""

    async def scenario(stand: Stand) -> None:
        await stand.ledger.do(plan(a_file("x"), at=stand.clock.now()))
        await stand.work(Done())
        removed = await stand.clean_later()

        assert removed == 1
        assert [row.state for row in await stand.ledger.read(ReadFiles(path="/in/x"))] == ["done"]

    play(scenario)


def test_a_dead_bucket_of_a_pipeline_that_is_a_stream_by_now_is_left_alone():
    """Whatever an older state folder holds, the janitor does its round."""

    async def scenario(stand: Stand) -> None:
        await stand.ledger.do(plan(a_file("x"), at=stand.clock.now()))
        await stand.work(Retry(error="x"), bury=True)
        await stand.take("done")
        await stand.work(Done())

        assert await stand.clean_later() == 1

    play(scenario)


def test_a_pipeline_that_nobody_declared_is_left_alone():
    """The janitor may come before the intake has begun."""

    async def scenario(stand: Stand) -> None:
        stand.spool.append("main", DATA)

        assert await stand.clean_later() == 0
        assert stand.spool.size_bytes() == 0

    play(scenario)


def test_a_dead_batch_whose_records_are_damaged_is_left_for_its_operator(caplog: pytest.LogCaptureFixture):
    """The engine goes on, says so, and cleans up the rest."""

    async def scenario(stand: Stand) -> None:
        await stand.take("dead")
        await stand.take("done")
        await stand.work(Retry(error="x"), bury=True)
        await stand.work(Done())
        stand.spool.forget("main", 44)

        assert await stand.clean_later() == 1
        assert (await stand.batch("dead")).state is State.DEAD

    play(scenario)

    assert "orders: records of dead batches stay where they are for now: spool: main: expected" in caplog.text


def test_a_full_disk_does_not_end_the_janitor():
    """A copy that cannot be written is tried again in the next round, and nothing is forgotten before."""

    async def scenario(stand: Stand) -> None:
        assert isinstance(stand.spool, FailingSpool)
        await stand.take("dead")
        await stand.work(Retry(error="x"), bury=True)
        await stand.take("open", is_open=True)
        stand.clock.advance(KEEP_S + 1)
        stand.spool.error = OSError(28, "No space left on device")
        await stand.janitor.clean()
        during = ((await stand.batch("dead")).log, await stand.is_readable("dead"))
        stand.spool.error = None
        await stand.janitor.clean()

        assert during == ("main", True)
        assert (await stand.batch("dead")).log == DEAD
        assert (await stand.batch("dead")).state is State.DEAD
        assert await stand.is_readable("dead")

    play(scenario, spool=FailingSpool)


def test_a_ledger_that_is_away_does_not_end_the_janitor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """What was kept long enough goes the next time."""
    monkeypatch.setattr(janitor, "EVERY_S", 0.001)

    async def scenario(stand: Stand):
        do, tried, again = stand.ledger.do, asyncio.Event(), asyncio.Event()

        async def away(operation):
            if not tried.is_set():
                tried.set()
                raise LedgerUnreachableError(address="db", waited_s=60, reason="refused")
            again.set()
            return await do(operation)

        monkeypatch.setattr(stand.ledger, "do", away)
        running = asyncio.create_task(stand.janitor.run())
        await again.wait()
        running.cancel()
        await asyncio.wait({running})

    play(scenario)

    assert "what was kept long enough stays for now: ledger: db: expected an answer within 60 s" in caplog.text
