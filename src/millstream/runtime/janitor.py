"""Remove what was kept long enough: finished batches, their attempts and events, and the spool behind them.

Theory of operation: the ledger says from where on each spool log is still needed, and whole segments before that go.
A dead batch is kept until somebody decides about it; so that a few records do not pin a whole segment, the records
of dead batches are copied to a log of their own once they are the only ones that need the old part.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from millstream.core.lifecycle import State
from millstream.core.operations import CopiedOut, Prune
from millstream.core.queries import ReadBatches, ReadPins, ReadPipelines
from millstream.core.rows import BatchRow
from millstream.errors import LedgerUnreachableError, SpoolDamagedError
from millstream.ports import Clock, Ledger, Spool
from millstream.runtime.intake import MAIN, RUNS

DEAD = "dead"
EVERY_S = 600.0

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stream pipeline's spool, and whether records wait in its main log to be sorted by key."""

    pipeline: str
    spool: Spool
    keyed: bool


class Janitor:
    """Cleans up at the start and every ten minutes."""

    def __init__(self, kept: Sequence[Kept], *, ledger: Ledger, clock: Clock, keep_s: float) -> None:
        self._kept = kept
        self._ledger = ledger
        self._clock = clock
        self._keep_s = keep_s

    async def run(self) -> None:
        """Clean up until cancelled."""
        while True:
            try:
                await self.clean()
            except LedgerUnreachableError as error:
                log.warning("what was kept long enough stays for now: %s", error)
            await asyncio.sleep(EVERY_S)

    async def clean(self) -> int:
        """Clean up once; returns the number of batches removed."""
        removed = await self._ledger.do(Prune(before=self._clock.now() - self._keep_s))
        for kept in self._kept:
            try:
                await self._copy_out_dead(kept)
            except (OSError, SpoolDamagedError) as error:
                log.warning("%s: records of dead batches stay where they are for now: %s", kept.pipeline, error)
            await self._forget(kept)
        return removed

    async def _forget(self, kept: Kept) -> None:
        for log, floor in (await self._floors(kept, dead_pins=True)).items():
            kept.spool.forget(log, floor)

    async def _floors(self, kept: Kept, *, dead_pins: bool) -> dict[str, int]:
        """From where on each log is needed; `dead_pins` says whether dead batches count."""
        row = next((r for r in await self._ledger.read(ReadPipelines()) if r.name == kept.pipeline), None)
        if row is None:
            return {}
        floors = {MAIN: row.spilled_to if kept.keyed else row.main_end, RUNS: row.runs_end, DEAD: sys.maxsize}
        for pin in await self._ledger.read(ReadPins(pipeline=kept.pipeline)):
            if pin.log in floors and (dead_pins or not pin.dead):
                floors[pin.log] = min(floors[pin.log], pin.first)
        return floors

    async def _copy_out_dead(self, kept: Kept) -> None:
        floors = await self._floors(kept, dead_pins=False)
        before = self._clock.now() - self._keep_s
        dead = await self._ledger.read(ReadBatches(pipeline=kept.pipeline, states=(State.DEAD,)))
        old = [row for row in dead if row.log in {MAIN, RUNS} and _is_behind(row, floors[row.log], before)]
        if not old:
            return
        copies = []
        for row in old:
            data = b"".join(kept.spool.read(row.log, row.ranges))
            start = kept.spool.append(DEAD, data)
            copies.append(CopiedOut(batch_id=row.id, log=DEAD, ranges=((start, start + len(data)),)))
        await kept.spool.sync()
        await self._ledger.apply(copies)


def _is_behind(row: BatchRow, floor: int, before: float) -> bool:
    """Whether a dead batch is old and all that needs its part of the log."""
    return bool(row.ranges) and row.ranges[-1][1] <= floor and (row.finished_at or 0.0) < before
