"""The engine: when a run ends by itself, what a stop leaves, and the exit code that says so."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager

import pytest

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.exits import Exit
from millstream.core.lifecycle import State
from millstream.core.minibatch import Limits
from millstream.core.model import AttemptResult, Done, Kind, Retry
from millstream.core.operations import Cancel, SetPaused
from millstream.core.queries import ReadAttempts, ReadBatches
from millstream.core.retry import RetryPolicy
from millstream.errors import SourceError
from millstream.runtime.dispatch import WorkSettings
from millstream.runtime.engine import Engine, Pipeline
from millstream.runtime.events import BatchClaimed, BatchClosed, Draining, Events, RecordsAccepted, TakenOver
from millstream.runtime.janitor import Janitor
from millstream.runtime.shutdown import DrainSettings
from millstream.runtime.stream import StreamIntake, StreamSettings
from millstream.runtime.summary import Tallies
from millstream.testing.clock import ManualClock
from millstream.testing.faults import MemorySpool
from millstream.testing.signals import Signals
from runtime.scripted import ScriptedPool, ScriptedSource, memory_ledger

START_S = 1_000_000.0
FAILED = AttemptResult(outcome=Retry(error="ValueError: no"))


class Stand:
    """Streams named `s0`, `s1`, ... and what outlives an engine."""

    def __init__(self, streams: int) -> None:
        self.names = [f"s{number}" for number in range(streams)]
        self.clock = ManualClock(start_s=START_S)
        self.ledger = memory_ledger()
        self.spools = {name: MemorySpool() for name in self.names}
        self.doorbell: Callable[[], None] = lambda: None
        self.renew()

    def renew(self) -> None:
        """What a new process has anew."""
        self.sources = {name: ScriptedSource(self.clock) for name in self.names}
        self.pools = {name: ScriptedPool() for name in self.names}
        self.signals = Signals()
        self.tallies = Tallies(dict.fromkeys(self.names, Kind.MINIBATCH), began_at=self.clock.now())

    def engine(self, *, mode: str = "keep", limit_s: float = 30.0, **work: object) -> Engine:
        """A new engine."""
        events = Events(self.tallies, self.signals)

        def pipeline(name: str) -> Pipeline:
            def make_intake(on_ready):
                return StreamIntake(
                    StreamSettings(
                        name=name,
                        limits=Limits(window_s=300.0, max_count=2),
                        sync_every_s=0.0,
                        close_on_drain=mode == "close",
                    ),
                    source=self.sources[name],
                    spool=self.spools[name],
                    ledger=self.ledger,
                    clock=self.clock,
                    events=events,
                    on_ready=on_ready,
                )

            settings = WorkSettings(pipeline=name, **({"retry": RetryPolicy(retries=1)} | work))
            return Pipeline(work=settings, pool=self.pools[name], make_intake=make_intake)

        return Engine(
            [pipeline(name) for name in self.names],
            ledger=self.ledger,
            clock=self.clock,
            events=events,
            tallies=self.tallies,
            janitor=Janitor([], ledger=self.ledger, clock=self.clock, keep_s=3600.0),
            draw=lambda: 0.5,
            drain_settings=DrainSettings(mode=mode, limit_s=limit_s),
        )

    @asynccontextmanager
    async def running(self, **settings: object):
        """An engine that runs, and its exit code."""
        engine = self.engine(**settings)
        running = asyncio.create_task(engine.run())
        try:
            await self.clock.settle()
            yield engine, running
        finally:
            running.cancel()
            await asyncio.wait([running])

    def end_all(self) -> None:
        """All inputs end."""
        for source in self.sources.values():
            source.end()

    async def states(self) -> list[State]:
        """The states of all batches, oldest first."""
        return [row.state for row in await self.ledger.read(ReadBatches())]


@pytest.fixture(autouse=True)
def doorbell(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What a ledger in memory has in place of a named pipe: who listens to it."""
    listeners: list[Callable[[], None]] = []

    def listen(_ledger: SqliteLedger, callback: Callable[[], None]) -> Callable[[], None]:
        listeners.append(callback)
        return lambda: listeners.remove(callback)

    monkeypatch.setattr(SqliteLedger, "listen", listen)
    return listeners


def play(scenario: Callable[[Stand], object], *, streams: int = 1) -> None:
    """Play a scenario that must not hang."""

    async def main() -> None:
        stand = Stand(streams)
        try:
            await asyncio.wait_for(scenario(stand), 10)
        finally:
            await stand.ledger.close()

    asyncio.run(main())


# --- a run that ends by itself ----------------------------------------------------------------------------------------


def test_a_run_ends_when_all_input_is_worked(doorbell):
    """Not before the last attempt; then the pools are stopped, nobody listens any more, and all is done."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as (_, running):
            stand.sources["s0"].put(b"1", b"2", b"3")
            stand.sources["s1"].put(b"4")
            stand.end_all()
            await stand.clock.settle()
            still_runs = not running.done()
            for pool in stand.pools.values():
                for batch_id in list(pool.running):
                    pool.end(batch_id)
            code = await running
        tally = stand.tallies.of["s0"]

        assert still_runs
        assert code is Exit.DONE
        assert await stand.states() == [State.DONE] * 3
        assert all(pool.is_stopped for pool in stand.pools.values())
        assert doorbell == []
        assert (tally.ok, tally.worked, tally.accepted, tally.kept) == (2, 3, 3, 0)

    play(scenario, streams=2)


def test_a_run_waits_for_retries_and_ends_with_dead_batches():
    """A batch that waits for its retry is unfinished; one whose attempts are spent makes the exit code 1."""

    async def scenario(stand: Stand) -> None:
        stand.pools["s0"].results["s0-00000001"] = [FAILED, FAILED]
        async with stand.running() as (_, running):
            stand.sources["s0"].put(b"1")
            stand.end_all()
            await stand.clock.settle()
            waits = await stand.states()
            await stand.clock.run_for(1.0)
            code = await running

        assert waits == [State.WAITING]
        assert code is Exit.DEAD
        assert await stand.states() == [State.DEAD]
        assert (stand.tallies.of["s0"].failed, stand.tallies.of["s0"].retries) == (1, 1)

    play(scenario)


def test_paused_work_holds_the_end_up(doorbell):
    """It is let go from outside, which rings at the door; a cancelled batch is over, too."""

    async def scenario(stand: Stand) -> None:
        await stand.ledger.do(SetPaused(batch_id=None, paused=True, at=START_S))
        async with stand.running() as (_, running):
            stand.sources["s0"].put(b"1", b"2", b"3")
            stand.end_all()
            await stand.clock.settle()
            paused = (running.done(), await stand.states())
            await stand.ledger.do(Cancel(batch_id="s0-00000002", at=START_S))
            await stand.ledger.do(SetPaused(batch_id=None, paused=False, at=START_S))
            doorbell[0]()
            await stand.clock.settle()
            stand.pools["s0"].end("s0-00000001")
            code = await running

        assert paused == (False, [State.READY, State.READY])
        assert code is Exit.DONE
        assert await stand.states() == [State.DONE, State.DISCARDED]

    play(scenario)


def test_a_running_attempt_is_cancelled_from_outside(doorbell):
    """The doorbell lets the engine find out that a claim is not current any more, and the run ends."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as (_, running):
            stand.sources["s0"].put(b"1")
            stand.end_all()
            await stand.clock.settle()
            await stand.ledger.do(Cancel(batch_id="s0-00000001", at=START_S))
            doorbell[0]()
            code = await running

        assert stand.pools["s0"].cancelled == ["s0-00000001"]
        assert code is Exit.DONE

    play(scenario)


def test_what_a_dead_engine_was_working_on_is_taken_over():
    """The batch is worked again, its lost attempt is told, and no failure is charged."""

    async def scenario(stand: Stand) -> None:
        async with stand.running():
            stand.sources["s0"].put(b"1", b"2")
            await stand.signals.wait_for(BatchClaimed)
            await stand.ledger.read(ReadBatches())
            do, stand.ledger.do = stand.ledger.do, lose_everything
        stand.ledger.do = do
        stand.renew()
        async with stand.running() as (_, running):
            (taken_over,) = stand.signals.of(TakenOver)
            stand.end_all()
            stand.pools["s0"].end("s0-00000001")
            code = await running
        attempts = await stand.ledger.read(ReadAttempts(batch_id="s0-00000001"))

        assert (taken_over.epoch, taken_over.batches) == (2, 1)
        assert [attempt.outcome for attempt in attempts] == ["lost", "done"]
        assert code is Exit.DONE

    async def lose_everything(operation):
        raise asyncio.CancelledError  # the process is dead: nothing takes effect any more

    play(scenario)


# --- a stop -----------------------------------------------------------------------------------------------------------


def test_a_stop_keeps_what_is_open_and_what_has_no_worker():
    """The running attempt ends by itself; the rest is kept, uncharged, and the exit code says so."""

    async def scenario(stand: Stand) -> None:
        async with stand.running(workers=1) as (engine, running):
            stand.sources["s0"].put(b"1", b"2", b"3", b"4", b"5")
            await stand.clock.settle()
            engine.stop()
            engine.stop()
            await stand.clock.settle()
            still_runs = not running.done()
            stand.pools["s0"].end("s0-00000001")
            code = await running

        assert still_runs
        assert code is Exit.KEPT
        assert await stand.states() == [State.DONE, State.READY, State.OPEN]
        assert stand.tallies.of["s0"].kept == 2
        assert len(stand.signals.of(Draining)) == 1

    play(scenario)


def test_a_stop_may_close_and_work_everything():
    """With `close` nothing is left, and only input that was not read makes the exit code 75."""

    async def scenario(stand: Stand) -> None:
        stand.sources["s0"].replayable = False
        async with stand.running(mode="close", workers=1) as (engine, running):
            stand.sources["s0"].put(b"1", b"2", b"3")
            await stand.clock.settle()
            engine.stop()
            await stand.clock.settle()
            stand.pools["s0"].end("s0-00000001")
            await stand.clock.settle()
            stand.pools["s0"].end("s0-00000002")
            code = await running

        assert code is Exit.DONE
        assert await stand.states() == [State.DONE, State.DONE]
        assert [event.cut for event in stand.signals.of(BatchClosed)] == ["count", "drain"]

    play(scenario)


@pytest.mark.parametrize("mode", ["keep", "close"])
def test_what_outlives_the_limit_is_given_back(mode):
    """The attempt is ended and its batch kept, uncharged; nothing is claimed again on the way out."""

    async def scenario(stand: Stand) -> None:
        async with stand.running(mode=mode, limit_s=0.01) as (engine, running):
            stand.sources["s0"].put(b"1", b"2", b"3", b"4")
            await stand.clock.settle()
            engine.stop()
            code = await running
        attempts = await stand.ledger.read(ReadAttempts(batch_id="s0-00000001"))

        assert code is Exit.KEPT
        assert await stand.states() == [State.READY, State.READY]
        assert [attempt.outcome for attempt in attempts] == ["released"]

    play(scenario)


def test_a_stop_before_anything_happened():
    """There is nothing to do, but the input was not read to its end."""

    async def scenario(stand: Stand) -> None:
        engine = stand.engine()
        engine.stop()

        assert await engine.run() is Exit.KEPT

    play(scenario)


def test_input_that_ended_before_the_stop_leaves_nothing():
    """A stop after everything is done changes nothing about that."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as (engine, running):
            stand.sources["s0"].put(b"1")
            stand.end_all()
            await stand.clock.settle()
            engine.stop()
            await stand.clock.settle()
            stand.pools["s0"].end("s0-00000001", Done())
            code = await running

        assert code is Exit.DONE

    play(scenario)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_source_that_fails_drains_the_run_and_is_told():
    """What came before is accepted and what runs may finish, and the run ends with work kept."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as (_, running):
            stand.sources["s0"].put(b"1", b"2", b"3")
            await stand.signals.wait_for(RecordsAccepted)
            await stand.clock.settle()
            stand.sources["s1"].fail(SourceError(source="s1", reason="is broken"))
            await stand.clock.settle()
            still_runs = not running.done()
            stand.pools["s0"].end("s0-00000001")
            code = await running

        assert still_runs
        assert code is Exit.KEPT
        assert await stand.states() == [State.DONE, State.OPEN]
        assert all(pool.is_stopped for pool in stand.pools.values())

    play(scenario, streams=2)


def test_a_ledger_that_fails_ends_the_run():
    """Without it nothing can go on: the error goes to whoever runs the engine."""

    async def scenario(stand: Stand) -> None:
        async with stand.running() as (_, running):
            apply = stand.ledger.apply

            async def fail(_operations):
                raise OSError("the disk is gone")

            stand.ledger.apply = fail
            stand.sources["s0"].put(b"1")
            with pytest.raises(ExceptionGroup) as raised:
                await running
            stand.ledger.apply = apply

        assert raised.value.split(OSError)[1] is None
        assert stand.pools["s0"].is_stopped

    play(scenario)
