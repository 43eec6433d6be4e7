"""Joins the chunks of ingestions whose records go to a folder, in order, into one file each.

Theory of operation: the ledger says which chunks are next in a file, and how long the file was when it last heard of
it. A turn appends their parts behind that length, waits until they are on disk, tells the ledger the new length, and
only then deletes the parts; so whenever it is killed, the next one cuts the file back to what the ledger knows and
goes on, and no record is missing, repeated or torn. When the ingestion has ended its file gets its name. What ended is
learned from the ledger's events; how far those were heard is marked, and at the first use of a folder all that is
unfinished there is looked at once. A part that is lost or damaged is made again: its chunk is ready once more. A
trouble with one file (such a part, a full disk) is told in that ingestion, is tried again, and holds up no other. A
folder that another process joins in is left to it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import groupby
from typing import TypeVar

from millstream.core.ingestion import (
    Explain,
    IngestionRow,
    Joined,
    ReadIngestion,
    ReadIngestionEvents,
    ReadIngestions,
    ReadUnjoined,
    Redo,
    Status,
    UnjoinedRow,
)
from millstream.errors import MillstreamError, PartDamagedError, SinkUnavailableError
from millstream.ingest.outputfolder import Mark, OutputFolder
from millstream.ports.engine import Clock, Ledger

LOOK_EVERY_S = 0.5
"""How long it rests, in engine seconds, when there is nothing to join and nobody wakes it."""
TRY_AGAIN_S = 5.0
"""After how many engine seconds it looks again at what went wrong."""
_ROWS = 100
_MOST_ROWS = 100_000
_EVENTS = 1000
_SETTLING = frozenset({"ended", "cancelled", "retried"})
_WHOLE = frozenset({Status.SUCCEEDED, Status.PARTIAL})
_FRUITLESS = frozenset({Status.FAILED, Status.CANCELLED})

_T = TypeVar("_T")


def _ignore(_row: IngestionRow) -> None:
    """Nobody wants to know."""


def _nobody() -> None:
    """Nobody has to be told: whoever works looks by itself."""


class Joiner:
    """Joins for all folders; one task calls `run`, or `step` until it has nothing to do.

    `open_folder` opens the folder of a sink by its address, and answers None for a sink that is none; it may block, and
    raises SinkUnavailableError when another process has it. `tell` takes one line for a person; `ring` is called when a
    chunk is ready to be worked again, `over` for each ingestion that is heard to have ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        open_folder: Callable[[str], OutputFolder | None],
        clock: Clock,
        mark: Mark,
        tell: Callable[[str], None],
        ring: Callable[[], None] = _nobody,
        over: Callable[[IngestionRow], None] = _ignore,
    ) -> None:
        self._ledger = ledger
        self._open_folder = open_folder
        self._clock = clock
        self._mark = mark
        self._tell = tell
        self._ring = ring
        self._over = over
        self._folders: dict[str, OutputFolder] = {}
        self._elsewhere: dict[str, float] = {}
        self._heard = self._marked = mark.read()
        self._unjoined: set[str] = set()
        self._to_settle: set[str] = set()
        self._troubles: dict[str, tuple[str, float]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now, instead of a little later; called in the event loop."""
        self._woken.set()

    async def run(self) -> None:
        """Join until cancelled, which waits for the file that is just being written; then let go of the folders."""
        try:
            while True:
                try:
                    moved = await self.step()
                except (MillstreamError, OSError) as error:  # the ledger does not answer, or the mark cannot be written
                    self._tell(f"joining: {error}")
                    moved = False
                if not moved:
                    await self._rest()
        finally:
            self.close()

    async def step(self) -> bool:
        """One turn over everything; returns whether anything was done, so that there may be more."""
        self._woken.clear()
        heard = await self._listen()
        joined = await self._join()
        settled = await self._settle()
        if self._heard > self._marked and not self._to_settle:
            await _in_thread(lambda: self._mark.write(self._heard))
            self._marked = self._heard
        return heard or joined or settled

    def close(self) -> None:
        """Let go of the folders; idempotent."""
        for folder in self._folders.values():
            folder.close()
        self._folders.clear()

    # --- joining -----------------------------------------------------------------------------------------------

    async def _join(self) -> bool:
        """Append what is next; asks for more rows while all that are given cannot be joined just now."""
        limit, joined = _ROWS, False
        while True:
            rows = await self._ledger.read(ReadUnjoined(limit=limit))
            self._unjoined = {row.message_id for row in rows}
            for message_id, group in groupby(rows, key=lambda row: row.message_id):
                if not self._is_resting(message_id):
                    joined = await self._guarded(message_id, self._append(list(group))) or joined
            if joined or len(rows) < limit or limit >= _MOST_ROWS:
                return joined
            limit *= 10

    async def _append(self, rows: list[UnjoinedRow]) -> bool:
        first = rows[0]
        folder = await self._folder(first.sink)
        if folder is None:
            return False
        receipts = [row.receipt for row in rows]
        try:
            count, end = await _in_thread(
                lambda: folder.append(first.message_id, receipts=receipts, at=first.out_bytes)
            )
        except PartDamagedError as error:
            await self._redo(first, reason=str(error))
            raise
        known = await self._ledger.do(
            Joined(
                message_id=first.message_id,
                seqs=tuple(row.seq for row in rows[:count]),
                from_bytes=first.out_bytes,
                out_bytes=end,
                at=self._clock.now(),
            )
        )
        if known:
            self._to_settle.add(first.message_id)  # it may have been the last one
            await _in_thread(lambda: folder.forget(first.message_id, receipts=receipts[:count]))
        return known

    async def _redo(self, row: UnjoinedRow, *, reason: str) -> None:
        """Have a chunk worked again, since nothing else has its records."""
        redo = Redo(message_id=row.message_id, seq=row.seq, reason=reason, at=self._clock.now())
        if await self._ledger.do(redo):
            self._ring()

    # --- ends --------------------------------------------------------------------------------------------------

    async def _listen(self) -> bool:
        """Hear which ingestions ended, or began again."""
        events = await self._ledger.read(ReadIngestionEvents(message_id=None, after=self._heard, limit=_EVENTS))
        self._to_settle.update(event.message_id for event in events if event.what in _SETTLING)
        if events:
            self._heard = events[-1].id
        return bool(events)

    async def _settle(self) -> bool:
        """Give files their names, or take them back; returns whether any was settled."""
        waiting = [message_id for message_id in sorted(self._to_settle) if not self._is_resting(message_id)]
        settled = [each for each in waiting if await self._guarded(each, self._settle_one(each))]
        self._to_settle.difference_update(settled)
        return bool(settled)

    async def _settle_one(self, message_id: str) -> bool:
        row = await self._ledger.read(ReadIngestion(message_id=message_id))
        if row is not None and row.ended_at is not None:
            self._over(row)
        if row is None or (folder := await self._folder(row.spec.sink)) is None:
            return True
        if row.status in _FRUITLESS and message_id in self._unjoined:
            return False  # what is done is joined first
        await _in_thread(lambda: _settle(folder, row))
        return True

    async def _folder(self, sink: str) -> OutputFolder | None:
        """The folder of a sink, looked over at its first use; None for others, or while another process has it."""
        if sink in self._folders:
            return self._folders[sink]
        if self._clock.now() < self._elsewhere.get(sink, 0.0):
            return None
        try:
            folder = await _in_thread(lambda: self._open_folder(sink))
        except SinkUnavailableError as error:
            if sink not in self._elsewhere:
                self._tell(str(error))
            self._elsewhere[sink] = self._clock.now() + TRY_AGAIN_S
            return None
        if folder is not None:
            self._folders[sink] = folder
            self._elsewhere.pop(sink, None)
            await self._look_over(folder, sink)
        return folder

    async def _look_over(self, folder: OutputFolder, sink: str) -> None:
        """Settle what an earlier joiner of the folder left: files that ended, and those that never had a record."""
        for message_id in await _in_thread(folder.leftovers):
            row = await self._ledger.read(ReadIngestion(message_id=message_id))
            if row is not None and row.spec.sink == sink:
                self._to_settle.add(message_id)
        newest = await self._ledger.read(ReadIngestions(statuses=(Status.SUCCEEDED,), limit=_EVENTS))
        empty = [row.spec.message_id for row in newest if row.spec.sink == sink and row.out_bytes == 0]
        self._to_settle.update(await _in_thread(lambda: [each for each in empty if not folder.has(each)]))

    # --- troubles ----------------------------------------------------------------------------------------------

    async def _guarded(self, message_id: str, work: Coroutine[object, object, bool]) -> bool:
        """Do something about one ingestion; what goes wrong is told there, and is no matter of the others."""
        try:
            done = await work
        except (MillstreamError, OSError) as error:
            reason = str(error)
            if self._troubles.get(message_id, ("", 0.0))[0] != reason:
                self._tell(f"{message_id}: {reason}")
                await self._explain(message_id, reason)
            self._troubles[message_id] = (reason, self._clock.now() + TRY_AGAIN_S)
            return False
        if done and self._troubles.pop(message_id, None) is not None:
            await self._explain(message_id, "")
        return done

    async def _explain(self, message_id: str, reason: str) -> None:
        await self._ledger.do(Explain(message_id=message_id, reason=reason, at=self._clock.now()))

    def _is_resting(self, message_id: str) -> bool:
        trouble = self._troubles.get(message_id)
        return trouble is not None and self._clock.now() < trouble[1]

    async def _rest(self) -> None:
        """Until somebody wakes it, or for a little."""
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + LOOK_EVERY_S)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _settle(folder: OutputFolder, row: IngestionRow) -> None:
    """Make the folder agree with what the ledger says of an ingestion; idempotent."""
    message_id = row.spec.message_id
    if row.status in _WHOLE and not row.successor:
        folder.finish(message_id, size_bytes=row.out_bytes)
    elif row.status in _FRUITLESS | _WHOLE:
        folder.drop(message_id, is_replaced=bool(row.successor))
    else:
        folder.reopen(message_id, size_bytes=row.out_bytes)


async def _in_thread(call: Callable[[], _T]) -> _T:
    """What `call` returns, from another thread; cancelling waits for its end, so nobody writes after that."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
