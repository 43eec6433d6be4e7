"""The serving side of a grown service: accepts, has workers told, joins; works nothing itself.

Theory of operation: it has the same face as `EmbeddedIngest`, so the API need not know which of the two it serves. An
ingestion is durable in the ledger before a request for it is sent, so a request that is lost is only late: the sweeper
sends it again. Without a queue of requests its first plan step is made at once, and rung for.

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

from millstream.adapters.partfile import EventMark
from millstream.config.dispatching import DispatchConfig
from millstream.config.serving import Serving
from millstream.core.ingestion import PIPELINE, Accept, Acceptance, Answered, FileSpec, ReadReady
from millstream.core.model import Kind
from millstream.errors import BellUnavailableError, LedgerUnreachableError, MillstreamError
from millstream.ingest.clearing import Clearer
from millstream.ingest.joining import Joiner
from millstream.ports import Clock, Ledger
from millstream.runtime.declare import declare
from millstream.runtime.janitor import Janitor
from millstream.runtime.ringing import rings_of
from millstream.runtime.sweeper import Sweeper, SweepSettings
from millstream.wiring.bells import TEMPORAL_KEY, open_bell, open_requests
from millstream.wiring.engine import first_of, lock_state
from millstream.wiring.grown import Shop, hosts_of, open_shop
from millstream.wiring.ingest import MARK, MOST_TURNS, IngestSettings
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

    `ledger` and `clock` are there from `start` on, which waits for the ledger until `stopping` is set. All methods but
    entering and leaving belong in the event loop. `environment` may hold the key of a Temporal server.
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
        ledger = await open_ledger(self._dispatch, stop=stopping or asyncio.Event())
        if ledger is None:
            raise LedgerUnreachableError(address="ledger", waited_s=0, reason="stopped while waiting for it")
        self._ledger = ledger
        try:
            await self._begin()
        except BaseException:
            await ledger.close()
            raise

    async def _begin(self) -> None:
        self._clock = await clock_of(self._ledger)
        await declare(PIPELINE, kind=Kind.CHUNK, ledger=self._ledger, at=self._clock.now())
        self._bell = open_bell(self._dispatch, pipeline=PIPELINE, now=self._clock.now, api_key=self._temporal_key)
        self._requests = open_requests(self._dispatch)
        tell = partial(log.warning, "%s")
        self._joiner = Joiner(
            self._ledger,
            open_folder=self.sinks.open_output,
            clock=self._clock,
            mark=EventMark(self._state / MARK),
            tell=tell,
        )
        self._clearer = Clearer(self._ledger, scratch=self._shop.open_scratch(), tell=tell)
        self._stop_listening = self._ledger.listen(self._joiner.wake)
        self._serving = asyncio.ensure_future(self._serve())

    async def _serve(self) -> None:
        sweeper = Sweeper(
            SweepSettings(owner=owner_name(), pipelines=(PIPELINE,)),
            ledger=self._ledger,
            clock=self._clock,
            ring=self._bell.ring,
            request=None if self._requests is None else self._requests.send,
            draw=random.random,
        )
        janitor = Janitor([], ledger=self._ledger, clock=self._clock, keep_s=self._keep_s)
        async with asyncio.TaskGroup() as group:
            for service in (sweeper, janitor, self._joiner, self._clearer):
                group.create_task(service.run())
            group.create_task(self._clock.follow())
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
        """Raise BellUnavailableError unless workers could be told now."""
        await self._bell.check()

    async def watch(self) -> None:
        """Wait until `stop`; raises what ended one of the services, if one of them ends before."""
        try:
            await asyncio.shield(self._serving)
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def drain(self) -> None:
        """Join what was published; the ledger can be read still. Idempotent."""
        self._serving.cancel()
        await asyncio.wait({self._serving})
        with suppress(MillstreamError):  # the next start does it
            for _ in range(MOST_TURNS):
                if not await self._joiner.step():
                    return

    async def stop(self) -> None:
        """Drain, and let go of everything. Idempotent."""
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
