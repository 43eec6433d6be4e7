"""The intake of a stream: read, watch deadlines, commit.

Theory of operation: three small loops share one `Intake`. The first reads blocks; the second sleeps until the next
minibatch is due and closes it, whether anything arrives or not; the third syncs the spool and applies what was
collected, at most every `sync_every_s` real seconds unless a minibatch was closed or much has gathered. Closing never
waits for work: it only ever waits for the disk. When the disk is full the third loop holds the first one up and tries
again; what was accepted stays accepted.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millstream.core.lifecycle import State
from millstream.core.minibatch import Limits
from millstream.core.model import CutReason, Kind, Lines
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadBatches, ReadMeta, ReadSource, ReadUnfinished
from millstream.core.rows import BatchRow
from millstream.errors import ConfigurationError, MillstreamError, SourceError
from millstream.ports import Acknowledging, Clock, Ledger, Source, Spool
from millstream.runtime.declare import declare
from millstream.runtime.drafts import Commit
from millstream.runtime.events import BatchClosed, Events, IntakeGoesOn, IntakeHeld, RecordsAccepted
from millstream.runtime.intake import MAIN, RUNS, Intake
from millstream.runtime.keyed import KeyReader

SYNC_BYTES = 8 << 20
HELD_BYTES = 16 << 20
HELD_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How one stream is cut and kept.

    `key` names what the key reader reads; `sync_every_s` is real seconds; `max_spool_bytes` None means as much as
    the disk holds.
    """

    name: str
    limits: Limits
    key: str | None = None
    sync_every_s: float = 0.05
    max_spool_bytes: int | None = None
    close_on_drain: bool = False


class StreamIntake:
    """Runs the intake of one stream pipeline from recovery to its end or to a drain."""

    def __init__(
        self,
        settings: StreamSettings,
        *,
        source: Source,
        spool: Spool,
        ledger: Ledger,
        clock: Clock,
        events: Events,
        on_ready: Callable[[], None],
        key_reader: KeyReader | None = None,
    ) -> None:
        self.name = settings.name
        self.ended = asyncio.Event()
        self.exhausted = False
        self._settings = settings
        self._source = source
        self._spool = spool
        self._ledger = ledger
        self._clock = clock
        self._events = events
        self._on_ready = on_ready
        self._key_reader = key_reader
        self._stopping = asyncio.Event()
        self._due_changed = asyncio.Event()
        self._dirty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._reading_over = False
        self._last_sync = float("-inf")

    @property
    def leaves_input(self) -> bool:
        """Whether a stop before the end leaves input that the next start goes on with."""
        return self._source.bounded and self._source.replayable

    def stop(self) -> None:
        """Take in nothing more; `run` then closes or keeps what is open and returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Recover, take in records until the end or `stop`, commit everything, return."""
        try:
            self._intake = await self._recover()
            async with asyncio.TaskGroup() as group:
                committing = group.create_task(self._commit_forever())
                watching = group.create_task(self._watch_deadlines())
                failure = await self._read()
                watching.cancel()
                self._finish(ended=failure is None and not self._stopping.is_set())
                self._wake_committer(urgent=True)
                await committing
            if failure is not None:
                raise failure
        finally:
            self.ended.set()
            await self._source.close()

    async def _recover(self) -> Intake:
        name, now = self._settings.name, self._clock.now()
        row = await declare(name, kind=Kind.MINIBATCH, ledger=self._ledger, at=now)
        rows = await self._ledger.read(ReadBatches(pipeline=name, states=(State.OPEN,)))
        await self._settle_key(rows)
        try:
            self._spool.recover(MAIN, row.main_end)
            self._spool.recover(RUNS, row.runs_end)
        except OSError as error:
            problem = f"state: the spool of {name!r} cannot be used: {error}; make room, or mend what is in its place"
            raise MillstreamError(problem) from error
        known = await self._ledger.read(ReadSource(pipeline=name, source=self._source.name))
        position = known.position if known else None
        self.exhausted = known is not None and known.finished
        intake = Intake(
            row,
            source=self._source.name,
            limits=self._settings.limits,
            spool=self._spool,
            key_reader=self._key_reader,
            position=position or "",
        )
        intake.restore(rows, accepted_at=row.accepted_at)
        intake.tick(now)
        await self._source.open(position)
        return intake

    async def _settle_key(self, rows: Sequence[BatchRow]) -> None:
        """Remember the key; another one could not tell which of the open minibatches a record belongs to."""
        meta, key = f"key of {self.name}", self._settings.key or ""
        before = await self._ledger.read(ReadMeta(key=meta))
        if before == key:
            return
        if before is not None and rows:
            problem = (
                f"{self.name}: key: expected {before or 'none'}, by which the open minibatches were begun, "
                f"found {key or 'none'}; go on as before until they are closed, or use another --name"
            )
            raise ConfigurationError([problem])
        await self._ledger.do(SetMeta(key=meta, value=key))

    async def _read(self) -> SourceError | None:
        """Feed blocks to the cutter until the source ends, fails (returned), or a stop is asked for."""
        reading = asyncio.ensure_future(self._read_to_the_end())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Safe: a source that is cancelled while it waits keeps what it has for `leftovers`.
            reading.cancel()
            stopping.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)
        try:
            if not reading.cancelled():
                reading.result()
        except SourceError as error:
            return error
        return None

    async def _read_to_the_end(self) -> None:
        await self._wait_for_room()
        while (lines := await self._source.read()) is not None:
            self._take(lines)
            await asyncio.sleep(0)  # a source that always has more must not keep deadlines and commits waiting
            await self._wait_for_room()

    def _take(self, lines: Lines) -> None:
        self.exhausted = False
        due = self._intake.next_due()
        self._intake.take(lines)
        if self._intake.next_due() != due:
            self._due_changed.set()
        if self._intake.uncommitted_bytes >= HELD_BYTES:
            self._room.clear()
        self._wake_committer(urgent=self._intake.uncommitted_bytes >= SYNC_BYTES)

    async def _wait_for_room(self) -> None:
        """Wait while too much is uncommitted, or while unfinished batches hold as much spool as they may."""
        await self._room.wait()
        limit, held = self._settings.max_spool_bytes, False
        while limit is not None and (size := await self._unfinished_bytes()) > limit:
            if not held:
                reason = f"unfinished batches hold {size} bytes of the spool, more than max-spool allows ({limit})"
                self._events.emit(IntakeHeld(pipeline=self.name, reason=reason))
            held = True
            await asyncio.sleep(HELD_RETRY_S)
        if held:
            self._events.emit(IntakeGoesOn(pipeline=self.name))

    async def _unfinished_bytes(self) -> int:
        rows = await self._ledger.read(ReadUnfinished())
        return sum(row.size_bytes for row in rows if row.pipeline == self.name)

    def _finish(self, *, ended: bool) -> None:
        """Nothing more is taken in: close or keep what is open."""
        self._reading_over = True
        self.exhausted = self.exhausted or ended
        left = self._source.leftovers()
        if left is not None:
            self._take(left)
        now = self._clock.now()
        if ended:
            self._intake.finish(CutReason.END, now=now)
        elif self._settings.close_on_drain:
            self._intake.finish(CutReason.DRAIN, now=now)
        else:
            self._intake.tick(now)

    async def _watch_deadlines(self) -> None:
        """Close minibatches when they are due; nothing has to arrive for that."""
        while True:
            due = self._intake.next_due()
            self._due_changed.clear()
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._due_changed.wait())]
            if due is not None:
                waits.append(asyncio.ensure_future(self._clock.sleep_until(due)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            self._intake.tick(self._clock.now())
            self._wake_committer(urgent=False)

    def _wake_committer(self, *, urgent: bool) -> None:
        if self._intake.dirty or self._reading_over:
            self._dirty.set()
        if urgent or self._intake.has_cuts:
            self._urgent.set()

    # --- making it durable --------------------------------------------------------------------------------------

    async def _commit_forever(self) -> None:
        while True:
            await self._dirty.wait()
            await self._pause_between_syncs()
            self._dirty.clear()
            self._urgent.clear()
            over = self._reading_over
            commit = self._intake.collect(now=self._clock.now())
            if commit is not None:
                await self._make_durable(commit)
            if over and not self._intake.dirty:
                return

    async def _pause_between_syncs(self) -> None:
        """Let more gather, unless something urgent waits: at most `sync_every_s` after the last sync."""
        left_s = self._last_sync + self._settings.sync_every_s - asyncio.get_running_loop().time()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), left_s)

    async def _make_durable(self, commit: Commit) -> None:
        await self._sync_spool()
        self._last_sync = asyncio.get_running_loop().time()
        await self._ledger.apply(commit.operations)
        if isinstance(self._source, Acknowledging):
            self._source.committed(commit.position)
        now = self._clock.now()
        if commit.records:
            self._events.emit(
                RecordsAccepted(
                    pipeline=self.name,
                    at=now,
                    records=commit.records,
                    size_bytes=commit.size_bytes,
                    open_batches=len(self._intake),
                )
            )
        for cut in commit.cuts:
            late_s = None if cut.due_at is None else (now - cut.due_at) / self._clock.speed
            self._events.emit(
                BatchClosed(
                    pipeline=self.name, batch_id=cut.batch_id, cut=cut.reason, records=cut.records, late_s=late_s
                )
            )
        if commit.cuts:
            self._on_ready()
        self._room.set()

    async def _sync_spool(self) -> None:
        """Sync until it succeeds; a full disk holds intake up meanwhile."""
        held = False
        while True:
            try:
                await self._spool.sync()
                break
            except OSError as error:
                self._room.clear()
                if not held:
                    self._events.emit(IntakeHeld(pipeline=self.name, reason=f"the spool cannot be written: {error}"))
                held = True
                await asyncio.sleep(HELD_RETRY_S)
        if held:
            self._events.emit(IntakeGoesOn(pipeline=self.name))
