"""The dispatcher: how much it claims, what becomes of an attempt's result, and what operators can do meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress

import pytest

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Discard, Done, Eviction, Retry
from millstream.core.operations import Cancel, Claim, Finish, Revive, SetPaused, TakeOver
from millstream.core.queries import ReadAttempts, ReadBatches, ReadFiles
from millstream.core.retry import RetryPolicy
from millstream.core.rows import BatchRow
from millstream.runtime import dispatch as module
from millstream.runtime.dispatch import Dispatcher, WorkSettings
from millstream.runtime.events import AttemptEnded, BatchClaimed, Events, Evicted
from millstream.testing.clock import ManualClock
from millstream.testing.ledger_suite.driver import PIPELINE, a_file, close_batch, open_batch, plan
from millstream.testing.signals import Signals
from runtime.scripted import ScriptedPool, memory_ledger

START_S = 100_000.0
FAILED = AttemptResult(outcome=Retry(error="ValueError: no"), seconds=0.1)


class Stand:
    """A dispatcher and all around it."""

    def __init__(self, **settings: object) -> None:
        self.clock = ManualClock(start_s=START_S)
        self.ledger = memory_ledger()
        self.pool = ScriptedPool()
        self.signals = Signals()
        self.events = Events(self.signals)
        self.dispatcher = Dispatcher(
            WorkSettings(pipeline=PIPELINE, **settings),
            ledger=self.ledger,
            pool=self.pool,
            clock=self.clock,
            events=self.events,
            draw=lambda: 0.5,
            epoch=1,
        )

    async def ready(self, *batch_ids: str, size_bytes: int = 30) -> None:
        """These minibatches are closed."""
        for batch_id in batch_ids:
            await self.ledger.apply([open_batch(batch_id), close_batch(batch_id, size_bytes=size_bytes)])
        self.dispatcher.ring()

    @asynccontextmanager
    async def running(self):
        """The dispatcher runs."""
        running = asyncio.create_task(self.dispatcher.run())
        try:
            await self.clock.settle()
            yield running
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def end(self, batch_id: str, *arguments: object, **fields: object) -> None:
        """The attempt that runs on a batch ends, and everybody reacts."""
        self.pool.end(batch_id, *arguments, **fields)
        await self.clock.settle()

    async def batch(self, batch_id: str) -> BatchRow:
        """A batch as the ledger sees it."""
        (row,) = await self.ledger.read(ReadBatches(batch_id=batch_id))
        return row

    async def in_state(self, state: State) -> list[str]:
        """The ids of the batches in a state, oldest first."""
        return [row.id for row in await self.ledger.read(ReadBatches(states=(state,)))]

    async def outcomes(self, batch_id: str) -> list[str]:
        """How the attempts on a batch ended."""
        return [row.outcome for row in await self.ledger.read(ReadAttempts(batch_id=batch_id))]


def play(scenario: Callable[[Stand], object], **settings: object) -> None:
    """Play a scenario that must not hang."""

    async def main() -> None:
        stand = Stand(**settings)
        try:
            await asyncio.wait_for(scenario(stand), 10)
        finally:
            await stand.ledger.close()

    asyncio.run(main())


# --- how much is claimed ----------------------------------------------------------------------------------------------


def test_no_more_is_claimed_than_the_queue_holds():
    """Running ones count; the end of an attempt makes room for the next."""

    async def scenario(stand: Stand) -> None:
        await stand.ready(*"abcdefg")
        async with stand.running():
            running, claimed = sorted(stand.pool.running), await stand.in_state(State.RUNNING)
            await stand.end("a")
            claimed_then = await stand.in_state(State.RUNNING)

        assert running == ["a", "b"]
        assert claimed == ["a", "b", "c", "d"]
        assert claimed_then == ["b", "c", "d", "e"]
        assert stand.pool.worked == ["a", "b", "c"]

    play(scenario, workers=2, queue=4)


def test_no_more_bytes_are_claimed_than_may_be_held():
    """Batches wait for bytes to become free, in order; one that is too large for all has them to itself."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b", size_bytes=60)
        await stand.ready("huge", size_bytes=500)
        await stand.ready("c", size_bytes=40)
        async with stand.running():
            steps = [await stand.in_state(State.RUNNING)]
            for batch_id in ("a", "b", "huge"):
                await stand.end(batch_id)
                steps.append(await stand.in_state(State.RUNNING))

        assert steps == [["a"], ["b"], ["huge"], ["c"]]

    play(scenario, max_bytes=100)


def test_the_costliest_bucket_goes_first():
    """Buckets are worked in the order of their costs, whatever the order of their planning."""

    async def scenario(stand: Stand) -> None:
        for name, cost_s in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
            await stand.ledger.do(plan(a_file(name), cost_s=cost_s))
        async with stand.running():
            pass

        assert [job.files[0].name for job, _ in stand.pool.calls] == ["b", "c", "a"]

    play(scenario)


@pytest.mark.parametrize("settings", [{"queue": 1}, {"max_bytes": 30}], ids=["queue", "bytes"])
def test_a_retry_that_is_due_waits_quietly_for_room(settings):
    """With no room for it, the dispatcher does not look again and again."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [FAILED]
        await stand.ready("a")
        async with stand.running():
            await stand.ready("b")
            await stand.clock.settle()
            await stand.clock.run_for(10)
            looks = 0

            async def counted(*arguments):
                nonlocal looks
                looks += 1
                return await read(*arguments)

            read, stand.ledger.read = stand.ledger.read, counted
            for _ in range(5):
                await stand.clock.settle()
            stand.ledger.read = read
            waiting = (await stand.batch("a")).state
            await stand.end("b")

            assert looks == 0
            assert waiting in {State.WAITING, State.READY}
            assert list(stand.pool.running) == ["a"]

    play(scenario, **settings)


# --- what becomes of a result -----------------------------------------------------------------------------------------


def test_done_and_discarded():
    """Both are final, and the listeners hear of claim and end."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b")
        async with stand.running():
            await stand.end("a", Done("42 rows"), seconds=0.5)
            await stand.end("b", Discard("not ours"))
        ended = {event.batch_id: event for event in stand.signals.of(AttemptEnded)}

        assert [(await stand.batch(name)).state for name in "ab"] == [State.DONE, State.DISCARDED]
        assert [(event.batch_id, event.attempt) for event in stand.signals.of(BatchClaimed)] == [("a", 1), ("b", 1)]
        assert (ended["a"].state, ended["a"].records, ended["a"].size_bytes) == (State.DONE, 3, 30)
        assert (ended["a"].seconds, ended["a"].error) == (0.5, None)
        assert (ended["b"].state, ended["b"].error) == (State.DISCARDED, "not ours")

    play(scenario)


def test_failures_wait_longer_and_longer_until_the_batch_is_dead():
    """Full jitter: the draw of a half gives half of 8, 16 and 32 seconds; no retry comes early."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [FAILED] * 4
        await stand.ready("a")
        waits = []
        async with stand.running():
            while (row := await stand.batch("a")).state is State.WAITING:
                waits.append(row.not_before - stand.clock.now())
                await stand.clock.run_for(waits[-1] - 0.01)
                assert len(stand.pool.calls) == len(waits)
                await stand.clock.run_until(row.not_before)

        assert waits == [4.0, 8.0, 16.0]
        assert (row.state, row.failures, row.attempts) == (State.DEAD, 4, 4)
        assert row.error == "ValueError: no"
        assert await stand.outcomes("a") == ["retry"] * 4
        assert [event.state for event in stand.signals.of(AttemptEnded)] == [State.WAITING] * 3 + [State.DEAD]

    play(scenario, retry=RetryPolicy(retries=3, backoff_s=8.0))


def test_a_handler_may_say_when():
    """`Retry(after_s=...)` is taken at its word, and counts as a failure like any other."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [AttemptResult(outcome=Retry(after_s=1234.0, error="busy"))]
        await stand.ready("a")
        async with stand.running():
            row = await stand.batch("a")
            await stand.clock.run_for(1233)
            before = list(stand.pool.running)
            await stand.clock.run_for(1)

            assert (row.not_before, row.failures, row.error) == (START_S + 1234, 1, "busy")
            assert (before, list(stand.pool.running)) == ([], ["a"])

    play(scenario)


def test_no_retries_at_all():
    """With none the first failure is the end, also where the handler asked for another try."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [AttemptResult(outcome=Retry(after_s=5.0))]
        await stand.ready("a")
        async with stand.running():
            pass

        assert (await stand.batch("a")).state is State.DEAD

    play(scenario, retry=RetryPolicy(retries=0))


def test_a_worker_that_was_lost_costs_no_retry():
    """The batch is ready again at once, with the next attempt number, and no failure is charged."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [AttemptResult(outcome=Retry(error="stopped"), charged=False, lost=True)]
        await stand.ready("a")
        async with stand.running():
            await stand.end("a")
        row = await stand.batch("a")

        assert [job.attempt for job, _ in stand.pool.calls] == [1, 2]
        assert (row.state, row.failures) == (State.DONE, 0)
        assert await stand.outcomes("a") == ["released", "done"]
        assert [event.state for event in stand.signals.of(AttemptEnded)] == [State.READY, State.DONE]

    play(scenario, retry=RetryPolicy(retries=0))


def test_a_suspect_runs_alone_next_time_uncharged():
    """One of several attempts in a host that died is tried again at once, alone, and is then no suspect any more."""
    suspect = AttemptResult(outcome=Retry(error="host died"), charged=False, alone=True, lost=True)

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [suspect, FAILED]
        await stand.ready("a")
        async with stand.running():
            await stand.clock.run_for(10)
            await stand.end("a")

        assert [alone for _, alone in stand.pool.calls] == [False, True, False]
        assert (await stand.batch("a")).failures == 1
        assert await stand.outcomes("a") == ["lost", "retry", "done"]

    play(scenario)


def test_the_only_suspect_is_charged():
    """A host that died with one attempt in it is that attempt's failure."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [AttemptResult(outcome=Retry(error="host died"), lost=True)]
        await stand.ready("a")
        async with stand.running():
            pass
        row = await stand.batch("a")

        assert (row.state, row.failures) == (State.WAITING, 1)
        assert await stand.outcomes("a") == ["lost"]

    play(scenario)


def test_files_that_changed_leave_their_bucket_and_settle_first():
    """The rest is worked at once and uncharged, the new version a while later, and a missing file is a dead batch."""
    stays, changes, goes = (a_file(name) for name in ("stays", "changes", "goes"))
    changed = a_file("changes", version=2)
    result = AttemptResult(
        outcome=Retry(error="changed"),
        charged=False,
        evictions=(Eviction(listed=changes, current=changed), Eviction(listed=goes, current=None)),
    )

    async def scenario(stand: Stand) -> None:
        bucket = plan(stays, changes, goes)
        await stand.ledger.do(bucket)
        stand.pool.results[bucket.batch_id] = [result]
        async with stand.running():
            (second,) = [job for job, _ in stand.pool.calls[1:]]
            await stand.end(bucket.batch_id)
            await stand.clock.run_for(2)
            (third,) = [job for job, _ in stand.pool.calls[2:]]
            await stand.end(third.id)
        states = {(row.path, row.version): row.state for row in await stand.ledger.read(ReadFiles())}
        (evicted,) = stand.signals.of(Evicted)

        assert (second.id, second.attempt, second.files, second.failures) == (bucket.batch_id, 2, (stays,), 0)
        assert third.files == (changed,)
        assert (evicted.changed, evicted.gone) == (1, ("/in/goes",))
        assert states == {
            ("/in/stays", stays.version): "done",
            ("/in/changes", changes.version): "superseded",
            ("/in/changes", changed.version): "done",
            ("/in/goes", goes.version): "dead",
        }

    play(scenario, resettle_s=2.0)


def test_a_result_that_comes_too_late_is_refused():
    """Somebody else took the batch over meanwhile: the ledger stays as it is, and the listeners are told so."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a")
        async with stand.running():
            stand.dispatcher.stop_claiming()
            await stand.ledger.do(TakeOver(at=START_S))
            await stand.end("a")

        assert (await stand.batch("a")).state is State.READY
        assert [event.state for event in stand.signals.of(AttemptEnded)] == [None]

    play(scenario)


def test_long_attempts_are_noted(monkeypatch: pytest.MonkeyPatch):
    """The ledger knows since when an attempt has a worker, once it takes long enough to be asked about."""
    monkeypatch.setattr(module, "LONG_S", 0.001)

    async def scenario(stand: Stand) -> None:
        noted = asyncio.Event()
        apply = stand.ledger.do

        async def watched(operation):
            answer = await apply(operation)
            if type(operation).__name__ == "Start":
                noted.set()
            return answer

        stand.ledger.do = watched
        await stand.ready("a", "b")
        async with stand.running():
            await noted.wait()

            assert (await stand.batch("a")).started_at == START_S
            assert (await stand.batch("b")).started_at is None

    play(scenario, workers=1)


# --- operators --------------------------------------------------------------------------------------------------------


def test_an_operator_cancels_a_running_attempt():
    """The attempt is ended, its batch stays discarded, and its neighbours run on."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b")
        async with stand.running():
            await stand.ledger.do(Cancel(batch_id="a", at=START_S))
            await stand.dispatcher.recall()
            await stand.dispatcher.recall()
            await stand.clock.settle()

            assert stand.pool.cancelled == ["a"]
            assert list(stand.pool.running) == ["b"]
            assert (await stand.batch("a")).state is State.DISCARDED

    play(scenario)


def test_nothing_is_given_back_while_it_is_worked():
    """An attempt that takes its time to end is waited for, however often it is recalled."""

    class Stubborn(ScriptedPool):
        async def run(self, job, *, alone=False):
            try:
                return await super().run(job, alone=alone)
            finally:
                await may_end.wait()

    may_end = asyncio.Event()

    async def scenario(stand: Stand) -> None:
        stand.dispatcher._pool = stand.pool = Stubborn()
        await stand.ready("a")
        async with stand.running():
            await stand.ledger.do(Cancel(batch_id="a", at=START_S))
            for _ in range(3):
                await stand.dispatcher.recall()
                await stand.clock.settle()
            finishing = asyncio.create_task(stand.dispatcher.finish())
            await stand.clock.settle()
            waits = not finishing.done()
            may_end.set()
            await finishing

        assert waits

    play(scenario)


def test_recall_without_a_reason_disturbs_nobody():
    """Claims that are current stay, those that wait for a worker included."""

    async def scenario(stand: Stand) -> None:
        await stand.dispatcher.recall()
        await stand.ready("a", "b")
        async with stand.running():
            await stand.dispatcher.recall()
            await stand.clock.settle()

            assert stand.pool.cancelled == []
            assert await stand.in_state(State.RUNNING) == ["a", "b"]

    play(scenario, workers=1)


def test_a_recall_leaves_alone_what_is_on_its_way_home():
    """A batch whose end the ledger has just noted was not taken away by anybody: its attempt counts as done."""

    async def scenario(stand: Stand) -> None:
        do = stand.ledger.do

        async def slow_to_answer(operation):
            answer = await do(operation)
            if isinstance(operation, Finish):
                await stand.dispatcher.recall()
                await asyncio.sleep(0)
            return answer

        stand.ledger.do = slow_to_answer
        await stand.ready("a")
        async with stand.running():
            await stand.end("a", Done())

        assert [event.state for event in stand.signals.of(AttemptEnded)] == [State.DONE]

    play(scenario)


@pytest.mark.parametrize("batch_id", ["a", None])
def test_paused_batches_are_not_claimed(batch_id):
    """One, or all, until they are let go."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a")
        await stand.ledger.do(SetPaused(batch_id=batch_id, paused=True, at=START_S))
        async with stand.running():
            paused = stand.pool.worked
            await stand.ledger.do(SetPaused(batch_id=batch_id, paused=False, at=START_S))
            stand.dispatcher.ring()
            await stand.clock.settle()

            assert paused == []
            assert stand.pool.worked == ["a"]

    play(scenario)


def test_a_dead_batch_is_tried_again_with_fresh_retries():
    """After `millstream retry` it has as many failures left as a new one."""

    async def scenario(stand: Stand) -> None:
        stand.pool.results["a"] = [FAILED, FAILED]
        await stand.ready("a")
        async with stand.running():
            await stand.clock.run_for(10)
            dead = await stand.batch("a")
            await stand.ledger.do(Revive(batch_id="a", at=START_S))
            stand.dispatcher.ring()
            await stand.clock.settle()
            await stand.end("a")

        assert dead.state is State.DEAD
        assert (await stand.batch("a")).state is State.DONE
        assert [(job.attempt, job.failures) for job, _ in stand.pool.calls] == [(1, 0), (2, 1), (3, 0)]

    play(scenario, retry=RetryPolicy(retries=1))


# --- the end ----------------------------------------------------------------------------------------------------------


def test_ending_the_dispatcher_gives_everything_back_uncharged():
    """What runs is ended, and what waits for a worker is given back, too."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b")
        async with stand.running():
            pass

        assert stand.pool.cancelled == ["a"]
        assert await stand.in_state(State.READY) == ["a", "b"]
        assert await stand.outcomes("a") == await stand.outcomes("b") == ["released"]
        assert (await stand.batch("a")).failures == 0

    play(scenario, workers=1)


def test_what_has_no_worker_yet_can_be_given_back():
    """A drain gives it back and waits for the rest, and nothing more is claimed."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b", "c")
        async with stand.running():
            stand.dispatcher.stop_claiming()
            stand.dispatcher.give_back_unstarted()
            finishing = asyncio.create_task(stand.dispatcher.finish())
            await stand.clock.settle()
            given_back = await stand.in_state(State.READY)
            waits = not finishing.done()
            await stand.end("a")
            await finishing

            assert (given_back, waits) == (["b", "c"], True)
            assert (await stand.batch("a")).state is State.DONE
            assert stand.pool.worked == ["a"]

    play(scenario, workers=1)


def slow_claims(stand: Stand) -> tuple[asyncio.Event, asyncio.Event]:
    """Make the ledger's answers to claims late: one event says that a claim was made, the other lets it answer."""
    made, may_answer = asyncio.Event(), asyncio.Event()
    do = stand.ledger.do

    async def slow_do(operation):
        answer = await do(operation)
        if isinstance(operation, Claim):
            made.set()
            await may_answer.wait()
        return answer

    stand.ledger.do = slow_do
    return made, may_answer


def test_a_claim_that_is_under_way_when_a_drain_begins_is_given_back():
    """The drain waits for the ledger's answer, and nothing of it is worked."""

    async def scenario(stand: Stand) -> None:
        made, may_answer = slow_claims(stand)
        await stand.ready("a", "b")
        async with stand.running():
            await made.wait()
            stand.dispatcher.stop_claiming()
            stand.dispatcher.give_back_unstarted()
            finishing = asyncio.create_task(stand.dispatcher.finish())
            await stand.clock.settle()
            waits = not finishing.done()
            may_answer.set()
            await finishing

            assert waits
            assert await stand.in_state(State.READY) == ["a", "b"]
            assert stand.pool.calls == []

    play(scenario)


def test_a_claim_that_is_under_way_at_the_end_is_given_back():
    """Ending the dispatcher leaves nothing claimed, whatever the ledger was doing."""

    async def scenario(stand: Stand) -> None:
        made, may_answer = slow_claims(stand)
        await stand.ready("a")
        running = asyncio.create_task(stand.dispatcher.run())
        await made.wait()
        running.cancel()
        await stand.clock.settle()
        may_answer.set()
        await asyncio.wait([running])

        assert await stand.in_state(State.READY) == ["a"]
        assert await stand.outcomes("a") == ["released"]

    play(scenario)


@pytest.mark.parametrize("how", ["drain", "end"])
def test_a_claim_whose_work_has_not_begun_is_given_back(how):
    """Also in the moment between the claim and the first step of its attempt."""

    async def scenario(stand: Stand) -> None:
        def interfere(event):
            if isinstance(event, BatchClaimed):
                stand.dispatcher.stop_claiming()
                stand.dispatcher.give_back_unstarted() if how == "drain" else running.cancel()

        stand.events.add(interfere)
        await stand.ready("a", "b")
        running = asyncio.create_task(stand.dispatcher.run())
        await stand.clock.settle()
        if how == "drain":
            await stand.dispatcher.finish()
            running.cancel()
        await asyncio.wait([running])

        assert await stand.in_state(State.READY) == ["a", "b"]
        assert stand.pool.calls == []

    play(scenario)


def test_waiting_until_nothing_is_ready():
    """`finish(until_idle=True)` also waits for what is ready, but for nothing that is paused."""

    async def scenario(stand: Stand) -> None:
        await stand.ready("a", "b", "paused")
        await stand.ledger.do(SetPaused(batch_id="paused", paused=True, at=START_S))
        async with stand.running():
            finishing = asyncio.create_task(stand.dispatcher.finish(until_idle=True))
            await stand.end("a")
            await stand.end("b")
            await finishing

        assert stand.pool.worked == ["a", "b"]

    play(scenario, queue=1)


def test_who_has_nothing_to_do_is_idle():
    """Idle means that the last look found nothing and nothing is in hand."""

    async def scenario(stand: Stand) -> None:
        seen = [stand.dispatcher.is_idle]
        async with stand.running():
            seen.append(stand.dispatcher.is_idle)
            await stand.ready("a")
            await stand.clock.settle()
            seen.append(stand.dispatcher.is_idle)
            await stand.end("a")
            seen.append(stand.dispatcher.is_idle)

        assert seen == [False, True, False, True]

    play(scenario)
