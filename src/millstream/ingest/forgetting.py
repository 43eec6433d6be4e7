"""Has the marks forgotten that chunks left in a sink, once their ingestion has ended.

Theory of operation: some sinks note what was published of a chunk, so that a later attempt does not publish it twice.
Such a mark may go only when no attempt can ask for it any more, wherever it hangs. That is certain of a chunk that is
done and was claimed once: its one attempt has told its end, and what is done is not claimed again. The marks of all
others stay until the sink itself forgets them, and so does what a crash of this process leaves behind.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from millstream.core.ingestion import IngestionRow, ReadChunks
from millstream.core.lifecycle import State
from millstream.errors import MillstreamError
from millstream.ports import Clock, Ledger

REST_S = 5.0
"""Engine seconds that it waits for more to end, since to forget takes a process."""
REMEMBERED = 10_000
"""Ingestions that wait for their turn, at most; the oldest are left to the sink."""
PAGE = 1000

Forget = Callable[[str, Sequence[str]], Awaitable[None]]
"""Forgets the marks of these chunks, by batch id, in the sink of that address; raises MillstreamError."""


class Forgetter:
    """One task calls `run`; `over` is told what ended. `has_marks` says of an address whether its sink leaves any."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        forget: Forget,
        has_marks: Callable[[str], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._forget = forget
        self._has_marks = has_marks
        self._tell = tell
        self._over: deque[IngestionRow] = deque(maxlen=REMEMBERED)
        self._told = asyncio.Event()

    def over(self, row: IngestionRow) -> None:
        """An ingestion has ended; called in the event loop."""
        if row.ended_at is not None and self._has_marks(row.spec.sink):
            self._over.append(row)
            self._told.set()

    async def run(self) -> None:
        """Forget until cancelled."""
        while True:
            await self._told.wait()
            self._told.clear()
            await self._clock.sleep_until(self._clock.now() + REST_S)
            try:
                await self.forget()
            except MillstreamError as error:
                self._tell(f"marks of chunks are left to the sink: {error}")

    async def forget(self) -> None:
        """Forget what ended until now."""
        by_sink: dict[str, list[str]] = {}
        while self._over:
            row = self._over.popleft()
            by_sink.setdefault(row.spec.sink, []).extend(await self._needless(row.spec.message_id))
        for sink, batch_ids in by_sink.items():
            if batch_ids:
                await self._forget(sink, batch_ids)

    async def _needless(self, message_id: str) -> list[str]:
        found: list[str] = []
        after = -1
        while True:
            query = ReadChunks(message_id=message_id, states=(State.DONE,), after=after, limit=PAGE)
            rows = await self._ledger.read(query)
            found += [row.batch_id for row in rows if row.attempts == 1]
            if len(rows) < PAGE:
                return found
            after = rows[-1].chunk.seq
