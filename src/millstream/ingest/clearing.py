"""Clears away plain copies of files whose ingestion has ended.

Theory of operation: nobody has to remember what is to be deleted: the name of a copy says whose it is, and the ledger
whether that is over. So a look at the scratch store finds everything, after a crash, too. An ingestion that is tried
again after its end makes its copy again.
"""

import asyncio
from collections.abc import Callable

from millstream.core.ingestion import ReadIngestion
from millstream.errors import MillstreamError
from millstream.ingest.copying import owner_of
from millstream.ports import Ledger
from millstream.ports.store import Store

LOOK_EVERY_S = 60.0


class Clearer:
    """Looks at its start, when woken, and every minute; one task calls `run`."""

    def __init__(self, ledger: Ledger, *, scratch: Store, tell: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._scratch = scratch
        self._tell = tell
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """An ingestion ended."""
        self._woken.set()

    async def run(self) -> None:
        """Clear until cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.clear()
            except MillstreamError as error:  # a full or broken disk: the next look finds the same
                self._tell(f"clearing copies: {error}")
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def clear(self) -> int:
        """Look once; returns how many copies were deleted."""
        names = await asyncio.to_thread(lambda: [stored.name for stored in self._scratch.list()])
        gone = 0
        for name in names:
            row = await self._ledger.read(ReadIngestion(message_id=owner_of(name)))
            if row is None or row.ended_at is not None:
                await asyncio.to_thread(self._scratch.delete, name)
                gone += 1
        return gone
