"""Ingestion in one process and its worker hosts, on a ledger in the state folder.

Theory of operation: the order of `wiring.engine` holds here, too: `EmbeddedIngest` locks the state folder and forks the
nursery when it is entered, while the process has no thread; `start` then brings up ledger, engine and joiner in the
event loop that runs. Whoever accepts files does it through the ledger, and rings. `stop` drains: running chunks are
finished, what they published is joined, everything else stays in the ledger for the next start.
"""

import asyncio
import logging
import os
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from millstream.adapters.partfile import EventMark
from millstream.adapters.sqlite import SqliteLedger
from millstream.adapters.store import LocalStore
from millstream.core.address import is_kafka
from millstream.core.ingestion import PIPELINE, Accept, Acceptance, FileSpec
from millstream.core.model import Kind
from millstream.core.operations import DeclarePipeline
from millstream.core.retry import RetryPolicy
from millstream.errors import MillstreamError
from millstream.ingest.clearing import Clearer
from millstream.ingest.forgetting import Forgetter
from millstream.ingest.handler import Outside, handler_of
from millstream.ingest.joining import Joiner
from millstream.ingest.unpacking import UnpackLimits
from millstream.ports import Clock, Ledger
from millstream.runtime.dispatch import WorkSettings
from millstream.runtime.engine import Engine, Pipeline
from millstream.runtime.events import AttemptEnded, BatchClaimed, Event, Events, Listener
from millstream.runtime.ingestions import IngestionsIntake
from millstream.runtime.janitor import Janitor
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.runtime.shutdown import DrainSettings
from millstream.runtime.summary import Tallies
from millstream.wiring.engine import LEDGER, SCRATCH, engine_clock, first_of, lock_state
from millstream.wiring.markers import forget_markers
from millstream.wiring.sinks import SinkAddress, Sinks
from millstream.wiring.stores import Containers

COPIES = "copies"
MARK = "joined"
DAY_S = 86_400.0
CLAIMS_PER_WORKER = 4
CLAIMED_BYTES = 1 << 40
"""Claimed chunks are references of a few hundred bytes; their number is limited, not what they refer to."""
MOST_TURNS = 10_000

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """What an embedded service needs to know.

    `containers` are addresses by name; `sinks` those whose credentials are known. `workers` chunks are worked at once,
    in `processes` worker hosts (None: as many as there are cores). Ended ingestions are remembered for `keep_s`.
    """

    state: Path
    containers: Mapping[str, str] = field(default_factory=dict)
    credentials: Path | None = None
    sinks: tuple[SinkAddress, ...] = ()
    workers: int = 4
    processes: int | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: UnpackLimits = field(default_factory=UnpackLimits)
    max_host_bytes: int | None = 2_000_000_000
    drain_limit_s: float = 30.0
    keep_s: float = 7 * DAY_S

    @property
    def hosts(self) -> int:
        """How many worker hosts there are."""
        return self.processes or max(1, min(self.workers, len(os.sched_getaffinity(0))))


class EmbeddedIngest:
    """Accepts, plans, publishes and joins; a context manager to put around the event loop.

    `ledger` and `clock` are there from `start` on. All methods but entering and leaving belong in the event loop.
    """

    def __init__(self, settings: IngestSettings, *, listeners: Sequence[Listener] = (), is_quiet: bool = False) -> None:
        self.settings = settings
        self.containers = Containers(settings.containers, credentials=settings.credentials)
        self.sinks = Sinks(settings.sinks)
        self._listeners = listeners
        self._is_quiet = is_quiet
        self._stack = ExitStack()
        self._busy: set[str] = set()

    def __enter__(self) -> Self:
        """Lock the state folder and fork; the process must have no thread. Raises StateLockedError and the like."""
        state = self.settings.state
        with ExitStack() as stack:
            stack.callback(lock_state(state).release)
            (state / COPIES).mkdir(exist_ok=True)
            outside = Outside(
                open_store=self.containers.open,
                open_sink=self.sinks.open,
                open_scratch=self._scratch,
                limits=self.settings.limits,
            )
            self._nursery = stack.enter_context(
                Nursery.start(
                    {PIPELINE: handler_of(outside)},
                    readers={},
                    scratch=str(state / SCRATCH),
                    is_quiet=self._is_quiet,
                )
            )
            self._stack = stack.pop_all()
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
        """The engine's time."""
        return self._clock

    async def start(self) -> None:
        """Open the ledger and begin to work; raises MillstreamError when that cannot be."""
        tell = partial(log.warning, "%s")
        self._ledger = SqliteLedger(
            self.settings.state / LEDGER, on_full=partial(log.warning, "the disk is full, waiting for room: %s")
        )
        try:
            self._clock = await engine_clock(self._ledger, speed=1.0)
            await self._ledger.do(DeclarePipeline(name=PIPELINE, kind=Kind.CHUNK, at=self._clock.now()))
            self._engine = self._assemble()
            self._forgetter = Forgetter(
                self._ledger, clock=self._clock, forget=forget_markers, has_marks=is_kafka, tell=tell
            )
            self._joiner = Joiner(
                self._ledger,
                open_folder=self.sinks.open_output,
                clock=self._clock,
                mark=EventMark(self.settings.state / MARK),
                tell=tell,
                ring=self._engine.wake,
                over=self._forgetter.over,
            )
            self._clearer = Clearer(self._ledger, scratch=self._scratch(), tell=tell)
        except BaseException:
            await self._ledger.close()
            raise
        self._working = asyncio.ensure_future(self._engine.run())
        self._joining = asyncio.ensure_future(self._joiner.run())
        self._clearing = asyncio.ensure_future(self._clearer.run())
        self._forgetting = asyncio.ensure_future(self._forgetter.run())

    async def accept(
        self,
        spec: FileSpec,
        *,
        principal: str = "",
        idempotency_key: str | None = None,
        fingerprint: str = "",
        limit: int | None = None,
    ) -> Acceptance:
        """Take a file on, durably, and begin; see `core.ingestion.Accept`."""
        acceptance = await self._ledger.do(
            Accept(
                spec=spec,
                principal=principal,
                at=self._clock.now(),
                is_queued=True,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
                limit=limit,
            )
        )
        self._engine.wake()
        return acceptance

    def ring(self) -> None:
        """The ledger was changed: look what there is to do; never blocks."""
        self._engine.ring()
        self._joiner.wake()

    @property
    def busy(self) -> int:
        """How many attempts were claimed and have not ended."""
        return min(len(self._busy), self.settings.workers)

    async def watch(self) -> None:
        """Wait until `stop`; raises what ended the engine or a service beside it, if one of them ends before."""
        tasks = {self._working, self._joining, self._clearing, self._forgetting}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                task.result()
            except BaseExceptionGroup as group:
                raise first_of(group) from group

    async def drain(self) -> None:
        """Finish what runs, up to the limit, and join what was published; the ledger can be read still. Idempotent."""
        self._engine.stop()
        await asyncio.wait({self._working})
        await self._end(self._forgetting)
        await self._end(self._clearing)
        await self._end(self._joining)
        await self._join_the_rest()
        await self._clear_the_rest()

    async def stop(self) -> None:
        """Drain, and let go of everything. Idempotent."""
        try:
            await self.drain()
        finally:
            self._joiner.close()
            await self._ledger.close()

    async def _join_the_rest(self) -> None:
        for _ in range(MOST_TURNS):
            if not await self._joiner.step():
                return

    async def _clear_the_rest(self) -> None:
        with suppress(MillstreamError):  # the next start does it
            await self._clearer.clear()

    async def _end(self, task: "asyncio.Task[None] | asyncio.Future[None]") -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def _assemble(self) -> Engine:
        settings = self.settings
        tallies = Tallies({PIPELINE: Kind.CHUNK}, began_at=self._clock.now())
        pipeline = Pipeline(
            work=WorkSettings(
                pipeline=PIPELINE,
                workers=settings.workers,
                queue=CLAIMS_PER_WORKER * settings.workers,
                max_bytes=CLAIMED_BYTES,
                retry=settings.retry,
            ),
            pool=HostPool(
                self._nursery,
                name=PIPELINE,
                slots=settings.workers,
                processes=settings.hosts,
                max_host_bytes=settings.max_host_bytes,
            ),
            make_intake=lambda _: IngestionsIntake(ledger=self._ledger, clock=self._clock),
        )
        return Engine(
            [pipeline],
            ledger=self._ledger,
            clock=self._clock,
            events=Events(tallies, self._hear, *self._listeners),
            tallies=tallies,
            janitor=Janitor([], ledger=self._ledger, clock=self._clock, keep_s=settings.keep_s),
            draw=random.random,
            drain_settings=DrainSettings(mode="keep", limit_s=settings.drain_limit_s),
        )

    def _hear(self, event: Event) -> None:
        match event:
            case BatchClaimed(batch_id=batch_id):
                self._busy.add(batch_id)
            case AttemptEnded(batch_id=batch_id):
                self._busy.discard(batch_id)
                self._joiner.wake()
            case _:
                pass

    def _scratch(self) -> LocalStore:
        return LocalStore(self.settings.state / COPIES)
