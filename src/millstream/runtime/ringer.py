"""Has the batches of one pipeline worked by others: rings bells instead of claiming.

Theory of operation: it stands where a dispatcher stands, and looks at the ledger whenever somebody rang it. What is
ready and was not rung for yet is made reachable (the records of a minibatch are copied into a shared store) and then
rung for; a ring that did not get through is tried again. Rings that are lost later, retries and leases are the business
of the sweepers, of which every worker has one. Of what was rung for, it tells how it ended as soon as the ledger says
so; several attempts between two looks are told as one. What keeps it from ringing is told once, and stands in the
ledger as long as it lasts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from millstream.core.hold import Hold, dump_hold, hold_key
from millstream.core.ingestion import ReadReady
from millstream.core.lifecycle import FINISHED, State
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadBatches, ReadUnfinished
from millstream.core.rows import BatchRow
from millstream.errors import MillstreamError
from millstream.ports import Clock, Ledger
from millstream.ports.bell import Bell
from millstream.runtime.events import AttemptEnded, Events
from millstream.runtime.ringing import rings_of

WINDOW = 500
"""Batches that are rung for and not claimed yet, at most."""

AGAIN_S, LONGEST_AGAIN_S = 1.0, 30.0
LOOK_S = 5.0
"""The ledger tells of changes; a look in between costs little, should it have failed to."""

CLEAN_S = 600.0

log = logging.getLogger("millstream")

Prepare = Callable[[str], Awaitable[None]]
"""Makes a batch reachable for workers; raises MillstreamError or OSError."""


class Ringer:
    """Rings for the ready batches of one pipeline until it is told to stop; used by an Engine like a Dispatcher.

    `prepare` is called for each batch before it is rung for, `clean` at the start and every ten minutes.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        bell: Bell,
        ledger: Ledger,
        clock: Clock,
        events: Events,
        prepare: Prepare | None = None,
        clean: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._bell = bell
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._prepare = prepare
        self._clean = clean
        self._rung = asyncio.Event()
        self._rung.set()
        self._rings = True
        self._is_looking = False
        self._waiting: set[str] = set()  # rung for, and not claimed yet
        self._followed: dict[str, tuple[int, State]] = {}  # rung for, and not over yet: attempts, state
        self._again_s = 0.0
        self._hold: Hold | None = None
        self._noted: str | None = None  # an engine that was killed may have left something there
        self.settled = asyncio.Event()
        self.is_idle = False

    def ring(self) -> None:
        """Something may be ready: look."""
        self._rung.set()

    def stop_claiming(self) -> None:
        """Ring for nothing more."""
        self._rings = False

    def give_back_unstarted(self) -> None:
        """Nothing is in hand here: what was rung for is the workers'."""

    async def recall(self) -> None:
        """Nothing is in hand here: workers find out for themselves."""

    async def run(self) -> None:
        """Look and ring until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._clean is not None:
                group.create_task(self._keep_clean(self._clean))
            while True:
                self._rung.clear()
                self._is_looking = True
                try:
                    await self._look()
                finally:
                    self._is_looking = False
                self.settled.set()
                timeout_s = self._again_s or LOOK_S
                waiting = asyncio.ensure_future(self._rung.wait())
                await asyncio.wait({waiting}, timeout=timeout_s)
                waiting.cancel()

    async def finish(self, *, until_idle: bool = False) -> None:
        """Wait until no ring is on its way (and, with `until_idle`, workers have nothing left to do).

        What kept it from ringing does not stand in the ledger any more then.
        """
        while True:
            self.settled.clear()
            if not self._is_looking and not (until_idle and await self._has_unfinished()):
                if not (until_idle and self._followed):
                    self._hold = None
                    await self._note()
                    return
                self.ring()  # the last ones ended since it looked, and are to be told
            await self.settled.wait()

    # --- looking ------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        if self._rings:
            try:
                await self._ring_for_ready()
            except (MillstreamError, OSError) as error:
                await self._defer(error)
            else:
                await self._go_on()
        is_idle = not await self._has_unfinished()  # first: what ends behind this is told at the next look
        await self._follow(everything=is_idle)
        self.is_idle = is_idle

    async def _ring_for_ready(self) -> None:
        ready = await self._ledger.read(ReadReady(pipeline=self._pipeline, at=self._clock.now(), limit=WINDOW))
        self._waiting &= {row.batch_id for row in ready}
        new = [row for row in ready if row.batch_id not in self._waiting]
        if not new:
            return
        if self._prepare is not None:
            prepared = await asyncio.gather(*(self._prepare(row.batch_id) for row in new), return_exceptions=True)
            failures = [each for each in prepared if isinstance(each, BaseException)]
            new = [row for row, each in zip(new, prepared, strict=True) if each is None]
        else:
            failures = []
        if new:
            await self._bell.ring(rings_of(new))
        for row in new:
            self._waiting.add(row.batch_id)
            self._followed.setdefault(row.batch_id, (row.attempts, State.READY))
        if failures:
            raise failures[0]

    async def _defer(self, error: MillstreamError | OSError) -> None:
        """Try again later; say why, once."""
        self._again_s = min(LONGEST_AGAIN_S, 2 * self._again_s or AGAIN_S)
        if self._hold is None or str(error) != self._hold.reason:
            since = self._clock.now() if self._hold is None else self._hold.since
            self._hold = Hold(since=since, reason=str(error))
            await self._note()
            log.warning("%s: %s; what is ready waits for it", self._pipeline, error)

    async def _go_on(self) -> None:
        self._again_s = 0.0
        if self._hold is not None:
            self._hold = None
            log.warning("%s: workers can be told again", self._pipeline)
        await self._note()

    async def _note(self) -> None:
        text = dump_hold(self._hold)
        if text != self._noted:
            await self._ledger.do(SetMeta(key=hold_key(self._pipeline), value=text))
            self._noted = text

    async def _has_unfinished(self) -> bool:
        rows = await self._ledger.read(ReadUnfinished())
        return any(row.pipeline == self._pipeline and row.state is not State.OPEN for row in rows)

    # --- telling what became of it ------------------------------------------------------------------------------

    async def _follow(self, *, everything: bool) -> None:
        """Tell what became of batches that were rung for and claimed since; of all when nothing is left to be done."""
        claimed = [each for each in self._followed if everything or each not in self._waiting]
        if not claimed:
            return
        going = await self._ledger.read(ReadBatches(pipeline=self._pipeline, states=(State.RUNNING, State.WAITING)))
        found = {row.id: row for row in going}
        for batch_id in claimed:
            rows = (found[batch_id],) if batch_id in found else await self._read(batch_id)
            if rows:
                self._tell(rows[0])
            else:
                del self._followed[batch_id]

    async def _read(self, batch_id: str) -> tuple[BatchRow, ...]:
        return await self._ledger.read(ReadBatches(batch_id=batch_id))

    def _tell(self, row: BatchRow) -> None:
        known = self._followed[row.id]
        self._followed[row.id] = (row.attempts, row.state)
        if row.state in FINISHED:
            del self._followed[row.id]
        elif row.state is not State.WAITING:
            return
        if known != (row.attempts, row.state):
            began, ended = row.claimed_at, row.finished_at
            self._events.emit(
                AttemptEnded(
                    pipeline=row.pipeline,
                    batch_id=row.id,
                    attempt=row.attempts,
                    state=row.state,
                    records=row.records,
                    size_bytes=row.size_bytes,
                    seconds=max(0.0, ended - began) if began is not None and ended is not None else 0.0,
                    error=row.error,
                )
            )

    async def _keep_clean(self, clean: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await clean()
            except MillstreamError as error:
                log.warning("%s: what is left in the store stays for now: %s", self._pipeline, error)
            await asyncio.sleep(CLEAN_S)
