"""Fault injection: crashes at every step, torn tails, slow handlers."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.model import Done, Job, Kind
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadMeta
from millstream.ports import Ledger, Spool
from millstream.runtime.batch import Batch, Context
from millstream.testing.clock import ManualClock
from millstream.testing.faults import Crash, FaultPlan, FaultyLedger, FaultySpool, MemorySpool, slow
from millstream.testing.ledger_suite import MakeLedger
from millstream.testing.ledger_suite.transactions import Transactions
from millstream.testing.spool_suite import OpenSpool, SpoolSuite, content, fill

JOB = Job(id="it", kind=Kind.MINIBATCH, pipeline="orders", attempt=1, fence=1)


class TestMemorySpool(SpoolSuite):
    """It is a spool; opening it again is what a new process finds after the old one was killed."""

    @contextlib.contextmanager
    def store(self) -> Iterator[OpenSpool]:
        """The spools that were opened, each the heir of the one before."""
        opened: list[MemorySpool] = []

        def open_spool(*, segment_bytes: int) -> MemorySpool:
            opened.append(opened[-1].after_crash() if opened else MemorySpool(segment_bytes=segment_bytes))
            return opened[-1]

        yield open_spool


class TestFaultySpool(TestMemorySpool):
    """As long as it does not crash it is a spool."""

    @contextlib.contextmanager
    def store(self) -> Iterator[OpenSpool]:
        """Those of the spool below."""
        with super().store() as open_spool:
            yield lambda *, segment_bytes: FaultySpool(open_spool(segment_bytes=segment_bytes), plan=FaultPlan())


class TestFaultyLedger(Transactions):
    """As long as it does not crash it is a ledger."""

    @pytest.fixture
    def make_ledger(self, tmp_path: Path) -> MakeLedger:
        """A ledger without a thread, as a simulation uses it."""
        return lambda: FaultyLedger(inline_ledger(tmp_path), plan=FaultPlan())


def inline_ledger(folder: Path, name: str = "ledger") -> SqliteLedger:
    """A ledger that does the same each time it is asked the same."""
    return SqliteLedger(folder / f"{name}.db", synchronous="OFF", inline=True)


# --- the plan ---------------------------------------------------------------------------------------------------


def test_a_plan_without_a_crash_counts() -> None:
    """A plan that never crashes remembers every step."""
    plan = FaultPlan()
    for name in ("first", "second"):
        plan.step(name)
    plan.check()

    assert plan.names == ["first", "second"]
    assert not plan.crashed


def test_nothing_happens_after_a_crash() -> None:
    """The step that was told to crash does, and so does every later one, saying where it was."""
    plan = FaultPlan(crash_at=2)
    plan.step("first")

    for name in ("second", "third"):
        with pytest.raises(Crash, match="at step 2: second"):
            plan.step(name)
    with pytest.raises(Crash, match="at step 2: second"):
        plan.check()
    assert plan.names == ["first", "second"]
    assert plan.crashed


def test_no_error_handler_survives_a_crash() -> None:
    """A crash passes through everything that handles errors, and through groups of tasks."""

    async def carry_on(plan: FaultPlan) -> None:
        while True:
            with contextlib.suppress(Exception):
                plan.step("work")
            await asyncio.sleep(0)

    async def main() -> None:
        plan = FaultPlan(crash_at=3)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(carry_on(plan))
            tasks.create_task(carry_on(plan))

    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(main())

    assert raised.value.split(Crash)[1] is None


# --- ledger and spool -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("crash_at", "found"), [(1, None), (2, "1")])
def test_a_ledger_crashes_before_or_after_a_commit(tmp_path: Path, crash_at: int, found: str | None) -> None:
    """A crash before the commit leaves nothing, one after it leaves everything, and nothing is applied any more."""

    async def crash_twice() -> str | None:
        below = inline_ledger(tmp_path)
        ledger = FaultyLedger(below, plan=FaultPlan(crash_at=crash_at))
        with pytest.raises(Crash, match="the commit of SetMeta"):
            await ledger.do(SetMeta(key="a", value="1"))
        with pytest.raises(Crash):
            await ledger.apply([SetMeta(key="a", value="2")])
        value = await ledger.read(ReadMeta(key="a"))
        await ledger.close()
        return value

    assert asyncio.run(crash_twice()) == found


@pytest.mark.parametrize(("crash_at", "found"), [(1, b""), (2, b"data")])
def test_a_spool_crashes_before_or_after_a_sync(crash_at: int, found: bytes) -> None:
    """A crash before the sync loses what was appended, one after it loses nothing, and then nothing is changed."""
    below = MemorySpool()
    spool = FaultySpool(below, plan=FaultPlan(crash_at=crash_at))
    spool.recover("main", 0)
    spool.append("main", b"data")
    with pytest.raises(Crash, match="a sync of the spool"):
        asyncio.run(spool.sync())
    for late in (
        lambda: spool.append("main", b"late"),
        lambda: spool.forget("main", 4),
        lambda: spool.recover("main", 0),
        lambda: asyncio.run(spool.sync()),
    ):
        with pytest.raises(Crash):
            late()

    assert content(below.after_crash(), "main", (0, len(found))) == found
    assert below.after_crash().size_bytes() == len(found)


@given(
    synced=st.lists(st.binary(min_size=1, max_size=9), max_size=5),
    unsynced=st.lists(st.binary(min_size=1, max_size=9), max_size=5),
    keep=st.integers(0, 60),
    segment_bytes=st.integers(1, 20),
)
def test_a_torn_tail(synced: list[bytes], unsynced: list[bytes], keep: int, segment_bytes: int) -> None:
    """After a crash all that was synced is there, and as much of the rest as the disk happened to keep."""
    spool = MemorySpool(segment_bytes=segment_bytes)
    end = fill(spool, "main", synced)
    for piece in unsynced:
        spool.append("main", piece)
    found = spool.after_crash(keep_unsynced=keep)
    whole = b"".join(synced) + b"".join(unsynced)
    torn_end = min(len(whole), end + keep)

    assert found.size_bytes() == torn_end
    assert content(found, "main", (0, torn_end)) == whole[:torn_end]
    found.recover("main", end)
    assert found.append("main", b"new") == end
    assert spool.size_bytes() == end


def test_every_crash_of_a_small_program(tmp_path: Path) -> None:
    """Sync, then tell the ledger: wherever that crashes, and whatever the disk kept, what the ledger knows is there."""
    records = b"one\n", b"two\n", b"three\n"

    async def take_in(spool: Spool, ledger: Ledger) -> None:
        end = int(await ledger.read(ReadMeta(key="end")) or 0)
        spool.recover("main", end)
        for record in records[len(content(spool, "main", (0, end)).splitlines()) :]:
            end = spool.append("main", record) + len(record)
            await spool.sync()
            await ledger.do(SetMeta(key="end", value=f"{end}"))

    async def crash_and_go_on(plan: FaultPlan, keep_unsynced: int) -> bytes:
        name = f"{plan.crash_at}-{keep_unsynced}"
        ledger, spool = inline_ledger(tmp_path, name), MemorySpool(segment_bytes=5)
        try:
            await take_in(FaultySpool(spool, plan=plan), FaultyLedger(ledger, plan=plan))
        except Crash:
            spool = spool.after_crash(keep_unsynced=keep_unsynced)
            await take_in(spool, ledger)
        await ledger.close()
        return content(spool, "main", (0, 14))

    counted = FaultPlan()
    asyncio.run(crash_and_go_on(counted, 0))
    assert len(counted.names) == 4 * len(records)

    for step in range(1, len(counted.names) + 1):
        for kept in (0, 1, 100):
            plan = FaultPlan(crash_at=step)
            assert asyncio.run(crash_and_go_on(plan, kept)) == b"".join(records), plan.names


# --- slow handlers ----------------------------------------------------------------------------------------------


def test_a_slow_handler_takes_its_time() -> None:
    """A slowed handler, sync or async, is called when the time is up by the clock, and its outcome is passed on."""
    clock = ManualClock()
    called: list[tuple[str, float]] = []

    def handle(batch: Batch, _context: Context) -> Done:
        called.append((batch.id, clock.now()))
        return Done("sync")

    async def handle_async(batch: Batch, context: Context) -> Done:
        handle(batch, context)
        return Done("async")

    async def call(handler: object) -> object:
        assert callable(handler)
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(handler(Batch(JOB), Context(JOB)))
            await clock.run_for(29)
            assert not working.done()
            await clock.run_for(1)
        return working.result()

    start = clock.now()
    outcomes = [asyncio.run(call(slow(handler, clock=clock, seconds=30))) for handler in (handle, handle_async)]

    assert outcomes == [Done("sync"), Done("async")]
    assert called == [("it", start + 30), ("it", start + 60)]
