"""The serving side of a grown service: accepts, has workers told, joins; works nothing itself.

Theory of operation: it has the same face as `EmbeddedIngest`, so the API need not know which of the two it serves. An
ingestion is durable in the ledger before a request for it is sent, so a request that is lost is only late: the sweeper
sends it again. Without a queue of requests its first plan step is made at once, and rung for. A ledger that is away at
the start is waited for; until it is there everything that needs it is refused with the reason.

The state folder is locked, because one process joins parts: there is one server for each state folder, and for each
folder that records go to.
"""

import asyncio
import logging
import random
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from millstream.adapters.clock import SystemClock
from millstream.adapters.partfile import EventMark
from millstream.config.dispatching import DispatchConfig
from millstream.config.serving import Serving
from millstream.core.address import is_kafka
from millstream.core.ingestion import PIPELINE, Accept, Acceptance, Answered, FileSpec, ReadReady
from millstream.core.model import Kind
from millstream.core.queries import ReadTime
from millstream.errors import BellUnavailableError, LedgerUnreachableError, MillstreamError
from millstream.ingest.clearing import Clearer
from millstream.ingest.forgetting import Forgetter
from millstream.ingest.joining import Joiner
from millstream.ports import Clock, Ledger
from millstream.runtime.awaitedledger import AwaitedLedger
from millstream.runtime.declare import declare
from millstream.runtime.janitor import Janitor
from millstream.runtime.ledgerclock import LedgerClock
from millstream.runtime.ringing import rings_of
from millstream.runtime.sweeper import Sweeper, SweepSettings
from millstream.runtime.unattended import Unattended, UnattendedSettings
from millstream.wiring.bells import TEMPORAL_KEY, open_bell, open_requests
from millstream.wiring.engine import first_of, lock_state
from millstream.wiring.grown import Shop, hosts_of, open_shop
from millstream.wiring.ingest import MARK, MOST_TURNS, IngestSettings
from millstream.wiring.markers import forget_markers
from millstream.wiring.shared import clock_of, open_ledger, owner_name
from millstream.wiring.sinks import Sinks
from millstream.wiring.stores import Containers

HAND_OVER_S = 1.0
"""Longest that accepting waits for the bell; the sweeper makes good what was not handed over by then."""

REST_S = 0.2
"""Real seconds between two looks for what is to be rung for."""

RUNG_AT_ONCE = 200

log = logging.getLogger("millstream")


class GrownIngest:
    """Accepts and joins for workers elsewhere; a context manager to put around the event loop.

    `start` waits for the ledger until `stopping` is set; until then `ledger` refuses everything, and `clock` is that of
    this machine. All methods but entering and leaving belong in the event loop.
    """

    def __init__(self, serving: Serving, dispatch: DispatchConfig, *, temporal_key: str | None = None) -> None:
        self._dispatch = dispatch
        self._temporal_key = temporal_key
        self._state = Path(serving.engine.state)
        self._shop: Shop = open_shop(serving, dispatch)
        self._keep_s = serving.engine.keep
        self.settings = IngestSettings(
            state=self._state, workers=serving.serve.workers, processes=hosts_of(serving), keep_s=serving.engine.keep
        )
        self._stack = ExitStack()
        self._rung = asyncio.Event()
        self._ledger = AwaitedLedger()
        self._clock: Clock = SystemClock()
        self._requests = open_requests(dispatch)
        self._is_begun = False

    @property
    def containers(self) -> Containers:
        """The containers by name."""
        return self._shop.containers

    @property
    def sinks(self) -> Sinks:
        """Sinks by address."""
        return self._shop.sinks

    @property
    def busy(self) -> int:
        """How many attempts run in this process: none, ever."""
        return 0

    def __enter__(self) -> Self:
        """Lock the state folder; raises StateLockedError and the like."""
        self._stack.callback(lock_state(self._state).release)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def ledger(self) -> Ledger:
        """Where everything is known."""
        return self._ledger

    @property
    def clock(self) -> Clock:
        """The ledger's time."""
        return self._clock

    async def start(self, stopping: asyncio.Event | None = None) -> None:
        """Open the ledger, however long it is away, and begin; raises MillstreamError when that cannot be."""
        ledger = await open_ledger(self._dispatch, stop=stopping or asyncio.Event(), on_away=self._ledger.away)
        if ledger is None:
            raise LedgerUnreachableError(address="ledger", waited_s=0, reason="stopped while waiting for it")
        try:
            await self._begin(ledger)
        except BaseException:
            await ledger.close()
            raise

    async def _begin(self, ledger: Ledger) -> None:
        self._clock = clock = await clock_of(ledger)
        await declare(PIPELINE, kind=Kind.CHUNK, ledger=ledger, at=clock.now())
        self._ledger.arrive(ledger)
        self._bell = open_bell(self._dispatch, pipeline=PIPELINE, now=self._clock.now, api_key=self._temporal_key)
        tell = partial(log.warning, "%s")
        self._forgetter = Forgetter(self._ledger, clock=clock, forget=forget_markers, has_marks=is_kafka, tell=tell)
        self._joiner = Joiner(
            self._ledger,
            open_folder=self.sinks.open_output,
            clock=self._clock,
            mark=EventMark(self._state / MARK),
            tell=tell,
            ring=self._rung.set,
            over=self._forgetter.over,
        )
        self._clearer = Clearer(self._ledger, scratch=self._shop.open_scratch(), tell=tell)
        self._stop_listening = self._ledger.listen(self._joiner.wake)
        self._serving = asyncio.ensure_future(self._serve(clock))
        self._is_begun = True

    async def _serve(self, clock: LedgerClock) -> None:
        sweeper = Sweeper(
            SweepSettings(owner=owner_name(), pipelines=(PIPELINE,)),
            ledger=self._ledger,
            clock=self._clock,
            ring=self._bell.ring,
            request=None if self._requests is None else self._requests.send,
            draw=random.random,
        )
        janitor = Janitor([], ledger=self._ledger, clock=self._clock, keep_s=self._keep_s)
        unattended = Unattended(UnattendedSettings(), ledger=self._ledger, clock=self._clock)
        async with asyncio.TaskGroup() as group:
            for service in (sweeper, unattended, janitor, self._joiner, self._clearer, self._forgetter):
                group.create_task(service.run())
            group.create_task(clock.follow())
            group.create_task(self._ring())

    async def accept(
        self,
        spec: FileSpec,
        *,
        principal: str = "",
        idempotency_key: str | None = None,
        fingerprint: str = "",
        limit: int | None = None,
    ) -> Acceptance:
        """Take a file on, durably, and have it begun; see `core.ingestion.Accept`."""
        acceptance = await self._ledger.do(
            Accept(
                spec=spec,
                principal=principal,
                at=self._clock.now(),
                is_queued=self._requests is None,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
                limit=limit,
            )
        )
        if acceptance.answered is Answered.NEW:
            await self._hand_over(acceptance.message_id)
        return acceptance

    async def _hand_over(self, message_id: str) -> None:
        try:
            async with asyncio.timeout(HAND_OVER_S):
                if self._requests is not None:
                    await self._requests.send(message_id)
                else:
                    ready = await self._ledger.read(ReadReady(message_id=message_id, at=self._clock.now()))
                    await self._bell.ring(rings_of(ready))
        except (BellUnavailableError, LedgerUnreachableError, TimeoutError) as error:
            reason = str(error) or "dispatcher: no answer in time"
            log.info("%s; %s is handed over later", reason, message_id)

    def ring(self) -> None:
        """The ledger was changed: have workers told; never blocks."""
        if self._is_begun:
            self._rung.set()
            self._joiner.wake()

    async def _ring(self) -> None:
        """Ring for what is ready after somebody asked for something, not more often than worth while."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            with suppress(BellUnavailableError, LedgerUnreachableError):  # the sweeper rings later
                ready = await self._ledger.read(ReadReady(pipeline=PIPELINE, at=self._clock.now(), limit=RUNG_AT_ONCE))
                await self._bell.ring(rings_of(ready))
            await asyncio.sleep(REST_S)

    async def check(self) -> None:
        """Raise BellUnavailableError, or LedgerUnreachableError, unless workers could be told now."""
        if not self._is_begun:
            await self._ledger.read(ReadTime())  # says what is waited for
        await self._bell.check()

    async def watch(self) -> None:
        """Wait until `stop`; raises what ended one of the services, if one of them ends before."""
        try:
            await asyncio.shield(self._serving)
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def drain(self) -> None:
        """Join what was published; the ledger can be read still. Idempotent."""
        if not self._is_begun:
            return
        self._serving.cancel()
        await asyncio.wait({self._serving})
        with suppress(MillstreamError):  # the next start does it
            for _ in range(MOST_TURNS):
                if not await self._joiner.step():
                    return

    async def stop(self) -> None:
        """Drain, and let go of everything. Idempotent."""
        if not self._is_begun:
            return
        try:
            await self.drain()
        finally:
            self._stop_listening()
            self._joiner.close()
            await self._bell.close()
            if self._requests is not None:
                await self._requests.close()
            await self._ledger.close()


__all__ = ["TEMPORAL_KEY", "GrownIngest"]
