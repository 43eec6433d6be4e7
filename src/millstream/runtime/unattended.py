"""Says in ingestions that nobody works them.

Theory of operation: workers come and go without signing in, so whether one is alive is seen by what it does. While a
batch of the pipeline is claimed, somebody works, and what is ready waits for its turn. If nothing is claimed, and what
was ready or accepted at one look is still all there at the next ones, for longer than a sweeper needs to ring for it
again, then nobody is there who hears it. The reason stands in the ledger, so whoever looks next, a service that was
started again included, takes it back as soon as something moves.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from millstream.core.ingestion import PIPELINE, Explain, IngestionRow, ReadIngestion, ReadIngestions, ReadReady, Status
from millstream.core.lifecycle import State
from millstream.core.queries import ReadBatches
from millstream.errors import LedgerUnreachableError
from millstream.ports import Clock, Ledger
from millstream.runtime.ringing import rings_of

NOBODY = "no worker took a batch for"
"""How the reason begins; it is known again by that."""

LIMIT = 1000
"""Ready batches and unfinished ingestions that one look takes in."""

ASKED_FOR = 10
"""How many of those that are not seen any more are asked for one by one."""

REST_S = 0.25

UNFINISHED = (Status.ACCEPTED, Status.QUEUED, Status.RUNNING)

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnattendedSettings:
    """It looks every `every_s` seconds; work that nobody takes for `after_s` has nobody."""

    every_s: float = 5.0
    after_s: float = 20.0

    @property
    def reason(self) -> str:
        """What is told."""
        return f"{NOBODY} {self.after_s:g} s: is a `millstream worker` with this configuration running?"


class Unattended:
    """Looks after the ingestions of a ledger; one task calls `run`. Several may look at the same time."""

    def __init__(self, settings: UnattendedSettings, *, ledger: Ledger, clock: Clock) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._waiting: frozenset[str] = frozenset()
        self._since: float | None = None
        self._is_told = True  # an earlier process may have told it
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Look until cancelled."""
        stop_listening = self._ledger.listen(self._moved.set)
        try:
            while True:
                self._moved.clear()
                try:
                    await self.look()
                except LedgerUnreachableError as error:
                    log.warning("%s", error)
                await self._rest()
        finally:
            stop_listening()

    async def look(self) -> bool:
        """Look once; returns whether work waits for somebody who is not there."""
        now = self._clock.now()
        is_left = await self._is_left_alone(now)
        if is_left:
            await self._tell(now)
        elif self._is_told:
            await self._take_back(now)
        return is_left

    async def _is_left_alone(self, now: float) -> bool:
        """Whether all that waited before still waits, for too long, while nothing is worked."""
        before, self._waiting = self._waiting, frozenset()
        if await self._ledger.read(ReadBatches(states=(State.RUNNING,), pipeline=PIPELINE, limit=1)):
            self._since = None
            return False
        self._waiting = await self._wait(now)
        if not self._waiting or await self._is_any_taken(before - self._waiting):
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self._settings.after_s

    async def _is_any_taken(self, gone: frozenset[str]) -> bool:
        """Whether one of these does not wait any more; those that only fell out of a look that was full still do."""
        for each in sorted(gone)[:ASKED_FOR]:
            batches = await self._ledger.read(ReadBatches(batch_id=each))
            row = None if batches else await self._ledger.read(ReadIngestion(message_id=each))
            is_waiting = batches[0].state is State.READY if batches else row and row.status is Status.ACCEPTED
            if not is_waiting:
                return True
        return False

    async def _wait(self, now: float) -> frozenset[str]:
        """The ids of batches and requests that somebody should take."""
        ready = await self._ledger.read(ReadReady(pipeline=PIPELINE, at=now, limit=LIMIT))
        accepted = await self._ledger.read(ReadIngestions(statuses=(Status.ACCEPTED,), limit=LIMIT))
        return frozenset(row.batch_id for row in ready) | frozenset(row.spec.message_id for row in accepted)

    async def _tell(self, now: float) -> None:
        """Say it in what has no other reason to wait."""
        ready = await self._ledger.read(ReadReady(pipeline=PIPELINE, at=now, limit=LIMIT))
        ids = {each.message_id for each in rings_of(ready)}
        async for row in self._unfinished():
            is_waiting = row.status is Status.ACCEPTED or row.spec.message_id in ids
            if is_waiting and not row.waits_for:
                await self._explain(row, self._settings.reason, now)
        if not self._is_told:
            log.warning("ingest: %s", self._settings.reason)
            self._is_told = True

    async def _take_back(self, now: float) -> None:
        async for row in self._unfinished():
            if row.waits_for.startswith(NOBODY):
                await self._explain(row, "", now)
        self._is_told = False

    async def _unfinished(self) -> AsyncIterator[IngestionRow]:
        before = None
        while True:
            rows = await self._ledger.read(ReadIngestions(statuses=UNFINISHED, before=before, limit=LIMIT))
            for row in rows:
                yield row
            if len(rows) < LIMIT:
                return
            before = rows[-1].seq

    async def _explain(self, row: IngestionRow, reason: str, now: float) -> None:
        await self._ledger.do(Explain(message_id=row.spec.message_id, reason=reason, at=now))

    async def _rest(self) -> None:
        """Until the next look is due; what is told is taken back as soon as the ledger changes."""
        await self._clock.sleep_until(self._clock.now() + REST_S)
        due = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + self._settings.every_s))
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait({due, moved} if self._is_told else {due}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            due.cancel()
            moved.cancel()
