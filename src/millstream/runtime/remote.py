"""Works batches that bells ring for, beside others who do the same on other machines.

Theory of operation: a ring is answered by claiming its batch from the ledger, with a lease. One task of this worker
renews the leases of all that is in hand, well before they end, so a handler may take as long as it likes; and a worker
that was killed, frozen or cut off loses its claims after `lease_s`, whereupon others work them. If it comes back, the
renewal is refused, the attempt is ended, and what it came to is refused as well, for its fence is old.

While the ledger is away nobody can claim, so what is being worked goes on, and its end waits for the ledger. All times
that are written are of one clock, see `ledgerclock.py`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from millstream.core.ingestion import ClaimBatch
from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import AttemptResult, Job
from millstream.core.operations import Finish, Release, Renew, Start
from millstream.errors import LedgerUnreachableError
from millstream.ports import Clock, Ledger, Pool
from millstream.ports.bell import Ring, Worked
from millstream.runtime.events import AttemptEnded, BatchClaimed, Events
from millstream.runtime.lookup import Lookup
from millstream.runtime.patientledger import PatientLedger
from millstream.runtime.ringing import ring_of
from millstream.runtime.verdict import NOT_FINISHED, Explainer, Judge, error_of, state_after

T = TypeVar("T")

LONG_S = 1.0
"""Real seconds after which a running attempt is noted in the ledger, for `explain`; most attempts are over sooner."""

RENEWALS = 3
"""How often a lease is renewed before it would end."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where the batches of one pipeline are worked, and who says what came of it."""

    pool: Pool
    judge: Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """`owner` names this worker in the ledger; a claim that is not renewed for `lease_s` seconds is lost."""

    owner: str
    lease_s: float = 30.0


@dataclass(slots=True, kw_only=True)
class _Held:
    """A claim in hand, and the attempt on it once that runs."""

    job: Job
    running: "asyncio.Future[AttemptResult] | None" = None
    is_lost: bool = False
    is_ended: bool = False

    def lose(self) -> None:
        """The claim is another's by now."""
        self.is_lost = True
        self._end()

    def end(self) -> None:
        """The attempt must end, to be given back."""
        self.is_ended = True
        self._end()

    def _end(self) -> None:
        if self.running is not None:
            self.running.cancel()


class RemoteWorker:
    """Works the batches of `benches`, by pipeline; `work` is what a Bell calls."""

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        benches: Mapping[str, Bench],
        ledger: Ledger,
        clock: Clock,
        events: Events,
    ) -> None:
        self._settings = settings
        self._benches = benches
        self._ledger = ledger
        self._patiently = PatientLedger(ledger)
        self._lookup = Lookup(self._patiently, clock=clock)
        self._clock = clock
        self._events = events
        self._explainer = Explainer()
        self._in_hand: dict[tuple[str, int], _Held] = {}
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()
        self._unknown: set[str] = set()
        self._is_closed = False

    @property
    def in_hand(self) -> int:
        """How many batches are claimed by this worker."""
        return len(self._in_hand)

    async def run(self) -> None:
        """Renew the leases of what is in hand, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.lease_s / RENEWALS)
            await self._renew()

    async def drain(self, *, limit_s: float) -> None:
        """Let what is in hand end; after `limit_s` seconds it is ended, and given back uncharged.

        Stop the bells first: what is rung for afterwards is left to others. What cannot be told to the ledger by then,
        because that is away, is given up: `work` raises LedgerUnreachableError, and the lease ends by itself.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._nothing_in_hand.wait()
        self._is_closed = True
        self._patiently.give_up()
        for held in self._in_hand.values():
            held.end()
        await self._nothing_in_hand.wait()

    # --- answering ----------------------------------------------------------------------------------------------

    async def work(self, ring: Ring, claimed: Callable[[], Awaitable[None]]) -> Worked:
        """Work one batch; see `ports.bell.Work`. Cancelled, it ends the attempt and gives the batch back.

        Raises HostLostError when no worker host can be started any more, LedgerUnusableError, and, after a drain,
        LedgerUnreachableError.
        """
        if not ring.batch_id:
            await claimed()
            return await self._lookup.ingestion(ring)
        bench = self._benches.get(ring.pipeline)
        if bench is None or self._is_closed:
            await claimed()
            if bench is None:
                self._wonder(ring.pipeline)
                return Worked(state=None)
            return Worked(state=State.READY, ready=(ring,))
        job = await self._claim(ring)
        if job is None:
            await claimed()
            return await self._lookup.batch(ring)
        return await self._hold(job, bench, claimed)

    def _wonder(self, pipeline: str) -> None:
        if pipeline not in self._unknown:
            self._unknown.add(pipeline)
            log.warning("pipeline %s: rung for, but not in the configuration of this worker", pipeline)

    async def _claim(self, ring: Ring) -> Job | None:
        now = self._clock.now()
        claim = ClaimBatch(
            batch_id=ring.batch_id,
            at=now,
            owner=self._settings.owner,
            lease_until=now + self._settings.lease_s,
        )
        claiming = asyncio.ensure_future(self._patiently.do(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            job = await claiming  # the ledger does it all the same
            if job is not None:
                await self._give_back(job)
            raise

    # --- one attempt --------------------------------------------------------------------------------------------

    async def _hold(self, job: Job, bench: Bench, claimed: Callable[[], Awaitable[None]]) -> Worked:
        held = self._in_hand[job.id, job.fence] = _Held(job=job, is_ended=self._is_closed)
        self._nothing_in_hand.clear()
        self._events.emit(BatchClaimed(pipeline=job.pipeline, batch_id=job.id, attempt=job.attempt))
        try:
            await claimed()
            result = await self._attempt(held, bench.pool)
            if result is None:
                return await self._without_result(held)
            return await self._bring_home(job, bench.judge, result)
        except asyncio.CancelledError:
            await self._give_back(job)
            raise
        finally:
            del self._in_hand[job.id, job.fence]
            if not self._in_hand:
                self._nothing_in_hand.set()

    async def _attempt(self, held: _Held, pool: Pool) -> AttemptResult | None:
        """Run it; None when it was ended because the claim was lost or a drain took too long."""
        if held.is_lost or held.is_ended:
            return None
        job, at = held.job, self._clock.now()
        running = held.running = asyncio.ensure_future(pool.run(job, alone=job.alone))
        try:
            done, _ = await asyncio.wait({running}, timeout=LONG_S)
            if not done:
                await self._patiently.do(Start(batch_id=job.id, fence=job.fence, at=at))
                await asyncio.wait({running})
            return None if running.cancelled() else running.result()
        finally:
            running.cancel()
            while not running.done():  # however often this is cancelled: nothing is given back while it is worked
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({running})

    async def _without_result(self, held: _Held) -> Worked:
        job = held.job
        if held.is_lost:
            log.warning("%s: attempt %d was ended: its lease was lost to another worker", job.id, job.attempt)
            self._tell(job, NOT_FINISHED, state=None)
            return Worked(state=None)
        is_back = await self._give_back(job)
        return Worked(state=State.READY, ready=(ring_of(job),)) if is_back else Worked(state=None)

    async def _give_back(self, job: Job) -> bool:
        is_back = await self._patiently.do(Release(batch_id=job.id, fence=job.fence, at=self._clock.now()))
        self._tell(job, NOT_FINISHED, state=State.READY if is_back else None)
        return is_back

    async def _bring_home(self, job: Job, judge: Judge, result: AttemptResult) -> Worked:
        now = self._clock.now()
        operation = judge.verdict(job, result=result, now=now)
        explanation = self._explainer.explanation(job, result=result, now=now)
        state = state_after(await self._patiently.do(operation))
        if explanation is not None and state is not None:
            await self._patiently.do(explanation)
        self._tell(job, result, state=state)
        if state is None:
            return await self._lookup.batch(ring_of(job))
        ready = await self._lookup.made_ready(job, result)
        return Worked(
            state=state,
            not_before=operation.not_before if isinstance(operation, Finish) and state is State.WAITING else None,
            ready=(*ready, ring_of(job)) if state is State.READY else ready,
            is_over=job.key is None and state in FINISHED,
        )

    def _tell(self, job: Job, result: AttemptResult, *, state: State | None) -> None:
        self._events.emit(
            AttemptEnded(
                pipeline=job.pipeline,
                batch_id=job.id,
                attempt=job.attempt,
                state=state,
                records=job.records,
                size_bytes=job.size_bytes,
                seconds=result.seconds,
                error=error_of(result),
                evicted=bool(result.evictions),
            )
        )

    # --- leases, and the ledger ---------------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Renew the leases of all that is in hand, in one transaction; what another has by now is ended."""
        helds = list(self._in_hand.values())
        if not helds:
            return
        until = self._clock.now() + self._settings.lease_s
        renewals = [Renew(batch_id=held.job.id, fence=held.job.fence, lease_until=until) for held in helds]
        try:
            answers = await self._ledger.apply(renewals)
        except LedgerUnreachableError:
            return  # nobody else can claim either, and the next renewal tells
        for held, is_ours in zip(helds, answers, strict=True):
            if not is_ours and (held.job.id, held.job.fence) in self._in_hand:
                held.lose()
