"""Working what bells ring for: claims, leases, results, the drain; on a real ledger with pools that tests control."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.ingestion import Accept, Act, PlanReport, ReadIngestion, chunk_id, plan_id
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Done, FileRef, Job, Kind, Retry
from millstream.core.operations import DeclarePipeline, ExpireLeases, PlanBucket
from millstream.core.queries import ReadAttempts, ReadBatches
from millstream.core.retry import RetryPolicy
from millstream.core.rows import BatchRow
from millstream.core.splitting import Chunk, Head, Position
from millstream.core.tasks import PIPELINE, Action, FileState, OnChange, Spoiled
from millstream.errors import LedgerUnreachableError
from millstream.ports.bell import Ring, Worked
from millstream.runtime.events import Event, Events
from millstream.runtime.ledgerclock import LedgerClock
from millstream.runtime.remote import Bench, RemoteSettings, RemoteWorker
from millstream.runtime.verdict import Judge
from runtime.ledgerroom import LedgerRoom, play_in

LEASE_S = 0.3


class StubPool:
    """A pool whose attempts end when, and as, a test says."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.interrupted: list[str] = []
        self.began = asyncio.Event()
        self.result: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """See Pool."""

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """See Pool."""
        self.jobs.append(job)
        self.began.set()
        try:
            return await asyncio.shield(self.result)
        except asyncio.CancelledError:
            self.interrupted.append(job.id)
            raise

    async def stop(self) -> None:
        """See Pool."""


class Room(LedgerRoom):
    """A ledger, and workers on it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = StubPool()
        self.events: list[Event] = []
        self.claims = 0

    def worker(self, owner: str = "w1", *, retries: int = 5) -> RemoteWorker:
        """A worker of the ingest pipeline and of one of files."""
        judge = Judge(draw=lambda: 0.5, retry=RetryPolicy(retries=retries, backoff_s=8.0))
        return RemoteWorker(
            RemoteSettings(owner=owner, lease_s=LEASE_S),
            benches={name: Bench(pool=self.pool, judge=judge) for name in (PIPELINE, "files")},
            ledger=self.ledger,
            clock=self.clock,
            events=Events(self.events.append),
        )

    async def claimed(self) -> None:
        """What a bell would acknowledge."""
        self.claims += 1

    async def bucket(self, batch_id: str = "b1") -> Ring:
        """A bucket that is ready, and its ring."""
        now = self.clock.now()
        await self.ledger.do(DeclarePipeline(name="files", kind=Kind.BUCKET, at=now))
        file = FileRef(path=f"/{batch_id}", size_bytes=1, mtime_ns=1, inode=1)
        await self.ledger.do(
            PlanBucket(
                batch_id=batch_id, pipeline="files", files=(file,), size_bytes=1, cost_s=1.0, oversize=False, at=now
            )
        )
        return Ring(batch_id=batch_id, pipeline="files")

    async def ingestion(self, message_id: str = "m1") -> Ring:
        """An ingestion whose first plan step is ready, and its ring."""
        batch_id = await self.accept(message_id, sink="kafka://h:1/t")
        return Ring(batch_id=batch_id, pipeline=PIPELINE, message_id=message_id)

    async def row(self, batch_id: str = "b1") -> BatchRow:
        """A batch as the ledger sees it."""
        return (await self.ledger.read(ReadBatches(batch_id=batch_id)))[0]


def play(scenario: Callable[[Room], Awaitable[None]]) -> None:
    """Play a scenario in a room of its own."""
    play_in(Room, scenario)


def plan(*, chunks: int, is_last: bool) -> PlanReport:
    """What a plan step found."""
    found = FileState(version="v1", size_bytes=1000, head=Head(names=("a",), start=2, fingerprint="0" * 32))
    made = tuple(
        Chunk(seq=seq, start=seq * 10, end=seq * 10 + 10, first_record=seq, records=1) for seq in range(chunks)
    )
    end = Position(offset=chunks * 10, record=chunks, seq=chunks)
    return PlanReport(found=found, chunks=made, at=end, is_last=is_last)


def test_a_ring_is_worked() -> None:
    """A ring is claimed with a lease, acknowledged, worked, and what came of it is in the ledger."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        assert room.claims == 1
        assert (await room.row()).state is State.RUNNING
        assert (await room.row()).owner == "w1"

        room.pool.result.set_result(AttemptResult(outcome=Done()))

        assert await working == Worked(state="done", is_over=True)
        assert (await room.row()).state is State.DONE
        assert worker.in_hand == 0

    play(scenario)


def test_a_ring_too_many() -> None:
    """A ring for what is worked, done or unknown, or of another configuration, says where it is and works nothing."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        assert await worker.work(ring, room.claimed) == Worked(state="running")
        room.pool.result.set_result(AttemptResult(outcome=Done()))
        await working
        assert await worker.work(ring, room.claimed) == Worked(state="done", is_over=True)
        nothing = Ring(batch_id="nothing", pipeline="files")
        assert await worker.work(nothing, room.claimed) == Worked(state=None, is_over=True)
        other = Ring(batch_id="b1", pipeline="other")
        assert await worker.work(other, room.claimed) == Worked(state=None)

        assert len(room.pool.jobs) == 1
        assert room.claims == 5

    play(scenario)


def test_a_retry_says_when() -> None:
    """A failure is charged, waits as the policy says, and the ring's answer says until when."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        room.pool.result.set_result(AttemptResult(outcome=Retry(error="no")))

        worked = await worker.work(ring, room.claimed)

        due = room.clock.now() + 4.0
        assert worked == Worked(state="waiting", not_before=due)
        assert await worker.work(ring, room.claimed) == Worked(state="waiting", not_before=due)
        room.clock.advance_to(due)
        assert (await worker.work(ring, room.claimed)).state == "waiting"
        assert (await room.row()).failures == 2

    play(scenario)


def test_plan_steps_say_what_became_ready() -> None:
    """The end of a plan step names the chunks it made and the next step, each once; a chunk's end only what is new."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.ingestion(), room.worker()
        room.pool.result.set_result(AttemptResult(outcome=Done(), report=plan(chunks=3, is_last=False)))

        worked = await worker.work(ring, room.claimed)

        ids = [each.batch_id for each in worked.ready]
        assert set(ids) == {chunk_id("m1", seq=0), chunk_id("m1", seq=1), chunk_id("m1", seq=2), plan_id("m1", seq=3)}
        assert len(ids) == 4
        assert all(each.message_id == "m1" for each in worked.ready)

        room.pool.result = asyncio.get_running_loop().create_future()
        room.pool.result.set_result(AttemptResult(outcome=Done(), report=plan(chunks=0, is_last=True)))
        last = await worker.work(Ring(batch_id=plan_id("m1", seq=3), pipeline=PIPELINE, message_id="m1"), room.claimed)
        assert last.ready == ()

    play(scenario)


def test_asking_what_is_ready() -> None:
    """A ring without a batch is told everything that is ready of the ingestion, and whether it is over."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.ingestion(), room.worker()
        question = Ring(batch_id="", pipeline=PIPELINE, message_id="m1")
        assert await worker.work(question, room.claimed) == Worked(state=None, ready=(ring,))

        await room.ledger.do(Act(message_id="m1", action=Action.PAUSE, at=room.clock.now()))
        assert await worker.work(question, room.claimed) == Worked(state=None)

        await room.ledger.do(Act(message_id="m1", action=Action.CANCEL, at=room.clock.now()))
        assert await worker.work(question, room.claimed) == Worked(state=None, is_over=True)
        unknown = Ring(batch_id="", pipeline=PIPELINE, message_id="m9")
        assert await worker.work(unknown, room.claimed) == Worked(state=None, is_over=True)

    play(scenario)


def test_a_paused_batch_is_not_worked() -> None:
    """What is paused cannot be claimed, however often it is rung for."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.ingestion(), room.worker()
        await room.ledger.do(Act(message_id="m1", action=Action.PAUSE, at=room.clock.now()))

        assert await worker.work(ring, room.claimed) == Worked(state="ready")
        assert room.pool.jobs == []

    play(scenario)


def test_leases_are_renewed() -> None:
    """However long an attempt takes, its lease is renewed meanwhile, and nobody else gets it."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        renewing = asyncio.ensure_future(worker.run())
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        for _ in range(5):
            room.clock.advance(LEASE_S * 0.9)
            await worker._renew()
            assert await room.ledger.do(ExpireLeases(at=room.clock.now())) == 0
        room.pool.result.set_result(AttemptResult(outcome=Done()))

        assert (await working).state == "done"
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)

    play(scenario)


def test_a_lost_lease_ends_the_attempt() -> None:
    """A worker that was away for too long ends its attempt as soon as it hears that another has the batch."""

    async def scenario(room: Room) -> None:
        ring, first = await room.bucket(), room.worker("w1")
        renewing = asyncio.ensure_future(first.run())
        working = asyncio.ensure_future(first.work(ring, room.claimed))
        await room.pool.began.wait()
        room.clock.advance(LEASE_S + 1)
        await room.ledger.do(ExpireLeases(at=room.clock.now()))

        assert await working == Worked(state=None)
        assert room.pool.interrupted == ["b1"]
        assert (await room.row()).state is State.READY
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)

    play(scenario)


def test_a_late_result_is_refused() -> None:
    """What a worker comes to after it lost its batch changes nothing; the successor's end is the one that counts."""

    async def scenario(room: Room) -> None:
        ring, first = await room.bucket(), room.worker("w1")
        frozen = room.pool
        working = asyncio.ensure_future(first.work(ring, room.claimed))
        await frozen.began.wait()
        room.clock.advance(LEASE_S + 1)
        await room.ledger.do(ExpireLeases(at=room.clock.now()))
        room.pool = StubPool()
        room.pool.result.set_result(AttemptResult(outcome=Done("second")))
        assert (await room.worker("w2").work(ring, room.claimed)).state == "done"

        frozen.result.set_result(AttemptResult(outcome=Retry(error="late")))

        assert await working == Worked(state="done", is_over=True)
        assert (await room.row()).state is State.DONE
        outcomes = [each.outcome for each in await room.ledger.read(ReadAttempts(batch_id="b1"))]
        assert outcomes == ["lost", "done"]

    play(scenario)


def test_cancelling_gives_back() -> None:
    """A ring that is cancelled ends its attempt, and the batch is ready again, uncharged."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        assert room.pool.interrupted == ["b1"]
        row = await room.row()
        assert (row.state, row.failures) == (State.READY, 0)

    play(scenario)


def test_cancelling_while_claiming_gives_back() -> None:
    """A ring that is cancelled while the ledger claims leaves nothing claimed."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        assert (await room.row()).state is State.READY
        assert room.pool.jobs == []

    play(scenario)


def test_a_drain_lets_attempts_end() -> None:
    """A drain waits for what is in hand, which ends as ever; later rings are left to others."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        draining = asyncio.ensure_future(worker.drain(limit_s=20))
        await asyncio.sleep(0)
        assert not draining.done()
        room.pool.result.set_result(AttemptResult(outcome=Done()))
        await draining

        assert (await working).state == "done"
        other = await room.bucket("b2")
        assert await worker.work(other, room.claimed) == Worked(state="ready", ready=(other,))
        assert (await room.row("b2")).attempts == 0

    play(scenario)


def test_a_drain_has_a_limit() -> None:
    """What does not end in time is ended, given back uncharged, and rung for again."""

    async def scenario(room: Room) -> None:
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        await worker.drain(limit_s=0.01)

        assert await working == Worked(state="ready", ready=(ring,))
        row = await room.row()
        assert (row.state, row.failures) == (State.READY, 0)

    play(scenario)


def test_a_ledger_that_is_away_is_waited_for() -> None:
    """While the ledger is away an attempt goes on, and its end is told when the ledger is back."""

    class Away(SqliteLedger):
        """Three calls of four find it away."""

        calls = 0

        async def do(self, operation):
            """See ports.Ledger."""
            self.calls += 1
            if self.is_away and self.calls % 4:
                raise LedgerUnreachableError(address="db", waited_s=0, reason="refused")
            return await super().do(operation)

        is_away = False

    async def scenario(room: Room) -> None:
        await room.ledger.close()
        room.ledger = away = Away(Path(":memory:"))
        ring = await room.bucket()
        away.is_away = True
        room.pool.result.set_result(AttemptResult(outcome=Done()))

        assert (await room.worker().work(ring, room.claimed)).state == "done"

    play(scenario)


def test_a_drain_does_not_wait_for_a_ledger_that_stays_away() -> None:
    """What cannot be told to it when the limit is over is given up, and says why."""

    class Away(SqliteLedger):
        is_away = False

        async def do(self, operation):
            """See ports.Ledger."""
            if self.is_away:
                await asyncio.sleep(0)
                raise LedgerUnreachableError(address="db", waited_s=0, reason="refused")
            return await super().do(operation)

    async def scenario(room: Room) -> None:
        await room.ledger.close()
        room.ledger = away = Away(Path(":memory:"))
        ring, worker = await room.bucket(), room.worker()
        working = asyncio.ensure_future(worker.work(ring, room.claimed))
        await room.pool.began.wait()
        away.is_away = True
        await worker.drain(limit_s=0.01)
        with pytest.raises(LedgerUnreachableError):
            await working

        assert worker.in_hand == 0

    play(scenario)


def test_a_spoiled_plan_names_its_heir() -> None:
    """When a file changed and is begun anew, the first step of the new ingestion is rung for."""

    async def scenario(room: Room) -> None:
        await room.ingestion()
        row = await room.ledger.read(ReadIngestion(message_id="m1"))
        assert row is not None
        spec = replace(row.spec, message_id="m2", on_change=OnChange.RESTART)
        await room.ledger.do(Accept(spec=spec, principal="", at=room.clock.now(), is_queued=True))
        room.pool.result.set_result(AttemptResult(outcome=Done(), report=Spoiled(reason="changed", changed=True)))
        ring = Ring(batch_id=plan_id("m2", seq=0), pipeline=PIPELINE, message_id="m2")

        worked = await room.worker().work(ring, room.claimed)

        heir = await room.ledger.read(ReadIngestion(message_id="m2"))
        assert heir is not None
        assert heir.successor
        assert [each.message_id for each in worked.ready] == [heir.successor]

    play(scenario)


def test_the_clock_of_the_ledger(caplog: pytest.LogCaptureFixture) -> None:
    """Time is the ledger's, never goes back, and a machine that is far off is told of, once."""

    async def scenario(room: Room) -> None:
        theirs = room.clock.now() + 100.0

        async def ask() -> float:
            return theirs

        clock = LedgerClock(room.clock, ask=ask)
        assert await clock.adjust() == 100.0
        assert clock.now() == theirs
        theirs -= 50.0
        await clock.adjust()
        assert clock.now() == theirs + 50.0
        room.clock.advance(60)
        assert clock.now() == theirs + 60.0

    with caplog.at_level("WARNING", "millstream"):
        play(scenario)

    assert [record.getMessage() for record in caplog.records] == [
        "the clock of this machine is 100.0 s behind the ledger's, whose time is used; set the clock by NTP"
    ]
