"""Hand batches of one pipeline to its workers, and bring the results home.

Theory of operation: the ledger alone says what may be worked; the dispatcher claims from it whenever somebody rang
(a batch was closed, a retry ripened, a worker became free, an operator changed something) and never more than
`queue` batches or `max_bytes` bytes at once. What an attempt came to is decided here, by pure functions, and becomes
true in the ledger, which refuses results of claims that are not current any more.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Job
from millstream.core.operations import Claim, ExpireLeases, Release, Start
from millstream.core.queries import PAUSED, ReadBatches, ReadMeta, ReadNextDue
from millstream.core.retry import RetryPolicy
from millstream.ports import Clock, Ledger, Pool
from millstream.runtime.events import AttemptEnded, BatchClaimed, Events, Evicted
from millstream.runtime.verdict import NOT_FINISHED, Explainer, Judge, error_of, state_after

LONG_S = 1.0
"""Real seconds after which a running attempt is noted in the ledger, for `explain`; most attempts are over sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSettings:
    """How the batches of one pipeline are worked.

    `workers` attempts at once; `queue` claimed batches and `max_bytes` of them at once; `resettle_s` is how long a
    file that changed is left alone.
    """

    pipeline: str
    workers: int = 10
    queue: int = 50
    max_bytes: int = 200_000_000
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    resettle_s: float = 2.0


@dataclass(slots=True, kw_only=True)
class _Held:
    """A claim in hand, and the task that works it."""

    job: Job
    task: asyncio.Task[None] | None = None
    has_begun: bool = False
    has_worker: bool = False
    is_given_up: bool = False
    is_over: bool = False

    def give_up(self) -> None:
        """End the attempt; a task that has not begun could not clean up, so it is told to as soon as it begins."""
        self.is_given_up = True
        if self.has_begun and self.task is not None:
            self.task.cancel()


class Dispatcher:
    """Works the ready batches of one pipeline until it is told to stop."""

    def __init__(
        self,
        settings: WorkSettings,
        *,
        ledger: Ledger,
        pool: Pool,
        clock: Clock,
        events: Events,
        draw: Callable[[], float],
        epoch: int,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._pool = pool
        self._clock = clock
        self._events = events
        self._judge = Judge(draw=draw, retry=settings.retry, resettle_s=settings.resettle_s)
        self._epoch = epoch
        self._rung = asyncio.Event()
        self._rung.set()
        self._free = asyncio.Semaphore(settings.workers)
        self._claiming = True
        self._is_asking = False
        self._in_hand: dict[str, _Held] = {}
        self._explainer = Explainer()
        self.settled = asyncio.Event()
        self.is_idle = False

    def ring(self) -> None:
        """Something may be ready: look."""
        self._rung.set()

    def stop_claiming(self) -> None:
        """Claim nothing more."""
        self._claiming = False

    async def run(self) -> None:
        """Claim and work until cancelled, which ends what is in hand and gives it back uncharged."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._wait_for_a_ring()
                    await self._claim(group)
        finally:
            for held in self._in_hand.values():  # tasks that were cancelled before they began
                await self._give_back(held.job)

    async def finish(self, *, until_idle: bool = False) -> None:
        """Wait until nothing is in hand (and, with `until_idle`, nothing is ready either)."""
        while True:
            self.settled.clear()
            if not self._is_asking and not self._in_hand and not (until_idle and await self._has_ready()):
                return
            await self.settled.wait()

    def give_back_unstarted(self) -> None:
        """Give claimed batches that have no worker yet back to the ledger, uncharged."""
        for held in self._in_hand.values():
            if not held.has_worker:
                held.give_up()

    async def recall(self) -> None:
        """An operator changed the ledger: end what was cancelled, give back what is paused and has no worker yet."""
        if not self._in_hand:
            return
        all_paused = await self._ledger.read(ReadMeta(key=PAUSED)) == "1"
        # Last, so that every claim in hand is older than this answer.
        running = await self._ledger.read(ReadBatches(pipeline=self._settings.pipeline, states=(State.RUNNING,)))
        current = {(row.id, row.fence): row for row in running}
        for held in self._in_hand.values():
            if held.is_over:
                continue
            row = current.get((held.job.id, held.job.fence))
            is_paused = row is not None and (row.paused or all_paused)
            if row is None or (is_paused and not held.has_worker):
                held.give_up()

    # --- claiming -----------------------------------------------------------------------------------------------

    async def _wait_for_a_ring(self) -> None:
        # With no room to claim, what is due changes nothing: the end of an attempt rings.
        due = await self._ledger.read(ReadNextDue(pipeline=self._settings.pipeline)) if self._has_room() else None
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._rung.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(due)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._rung.clear()

    def _has_room(self) -> bool:
        return self._claiming and len(self._in_hand) < self._settings.queue

    def _in_hand_bytes(self) -> int:
        return sum(held.job.size_bytes for held in self._in_hand.values())

    async def _claim(self, group: asyncio.TaskGroup) -> None:
        if not self._has_room():
            return
        self._is_asking = True
        try:
            jobs = await self._ask_for_jobs()
        finally:
            self._is_asking = False
        for job in jobs:
            held = self._in_hand[job.id] = _Held(job=job)
            held.task = group.create_task(self._work(held), name=job.id)
            self._events.emit(BatchClaimed(pipeline=job.pipeline, batch_id=job.id, attempt=job.attempt))
        if not self._claiming:  # a drain began meanwhile
            self.give_back_unstarted()
        self.is_idle = not self._in_hand
        if self.is_idle:
            self.settled.set()

    async def _ask_for_jobs(self) -> tuple[Job, ...]:
        now = self._clock.now()
        claim = Claim(
            pipeline=self._settings.pipeline,
            at=now,
            limit=self._settings.queue - len(self._in_hand),
            max_bytes=self._settings.max_bytes - self._in_hand_bytes(),
            at_least_one=not self._in_hand,
            owner="engine",
            epoch=self._epoch,
        )
        await self._ledger.do(ExpireLeases(at=now))
        claiming = asyncio.ensure_future(self._ledger.do(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for job in await claiming:  # the ledger does it all the same
                await self._give_back(job)
            raise

    async def _has_ready(self) -> bool:
        rows = await self._ledger.read(ReadBatches(pipeline=self._settings.pipeline, states=(State.READY,)))
        return any(not row.paused for row in rows)

    # --- one attempt --------------------------------------------------------------------------------------------

    async def _work(self, held: _Held) -> None:
        held.has_begun = True
        try:
            if held.is_given_up:
                await self._give_back(held.job)
                return
            async with self._free:
                held.has_worker = True
                result = await self._attempt(held.job)
            held.is_over = True  # what the ledger says of it from here on is our own doing
            await self._bring_home(held.job, result)
        except asyncio.CancelledError:
            await self._give_back(held.job)
            raise
        finally:
            del self._in_hand[held.job.id]
            self.settled.set()
            self.ring()

    async def _give_back(self, job: Job) -> None:
        """For a drain, or an operator who cancelled the batch: then the fence is old and this changes nothing."""
        released = await self._ledger.do(Release(batch_id=job.id, fence=job.fence, at=self._clock.now()))
        self._tell(job, NOT_FINISHED, released)

    async def _attempt(self, job: Job) -> AttemptResult:
        """Run it; note in the ledger that it started, if it takes long."""
        running = asyncio.ensure_future(self._pool.run(job, alone=job.alone))
        at = self._clock.now()
        try:
            done, _ = await asyncio.wait({running}, timeout=LONG_S)
            if not done:
                await self._ledger.do(Start(batch_id=job.id, fence=job.fence, at=at))
            return await running
        finally:
            running.cancel()
            while not running.done():  # however often this is cancelled: nothing is given back while it is worked
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({running})

    async def _bring_home(self, job: Job, result: AttemptResult) -> None:
        now = self._clock.now()
        operation = self._judge.verdict(job, result=result, now=now)
        explanation = self._explainer.explanation(job, result=result, now=now)
        answer = await self._ledger.do(operation)
        if explanation is not None:
            await self._ledger.do(explanation)
        if result.evictions:
            gone = tuple(eviction.listed.path for eviction in result.evictions if eviction.current is None)
            changed = len(result.evictions) - len(gone)
            self._events.emit(Evicted(pipeline=job.pipeline, batch_id=job.id, changed=changed, gone=gone))
        self._tell(job, result, answer)

    def _tell(self, job: Job, result: AttemptResult, answer: State | bool) -> None:  # noqa: FBT001 - of the ledger
        self._events.emit(
            AttemptEnded(
                pipeline=job.pipeline,
                batch_id=job.id,
                attempt=job.attempt,
                state=state_after(answer),
                records=job.records,
                size_bytes=job.size_bytes,
                seconds=result.seconds,
                error=error_of(result),
                evicted=bool(result.evictions),
            )
        )
