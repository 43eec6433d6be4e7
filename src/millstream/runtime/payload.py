"""The records of minibatches where workers on other machines can read them.

Theory of operation: a minibatch is closed in the ledger as ever, and nobody waits for anything. Behind that its records
are copied from the spool into an object of a store that all machines reach, and only then workers are rung for. The
spool keeps them until the batch is over, so a copy that was not finished, or got lost, is made again from there; the
ledger need not know of copies at all. The name of the object follows from the id of the batch and from the space, which
is the name of one engine's state: two engines that share a store never meet.

A worker that comes too early (it was rung for by somebody who does not know of copies) finds nothing, and tries again
like one whose store is down. It fetches the whole object before its handler begins, and compares length and checksum
with the ledger's; so a handler never sees a part, and never the troubles of a network. When the ledger knows that a
batch is over, its object is deleted, by the worker at once, or by the engine, which looks for what was left now and
then. The objects of dead batches are kept, for they may be revived.
"""

import asyncio
import contextlib
import inspect
import logging
import os
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import IO

from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Job, Kind
from millstream.core.queries import ReadBatches, ReadMeta
from millstream.core.rows import BatchRow
from millstream.errors import MillstreamError, ObjectMissingError, SpoolDamagedError, StoreUnavailableError
from millstream.ports import Clock, Ledger, Pool
from millstream.ports.store import Store
from millstream.runtime.batch import Batch, Context, Handler, ReadSpool
from millstream.runtime.events import AttemptEnded, Event

FOLDER = "payloads"
OVER = (State.DONE, State.DISCARDED)
PIECE_BYTES = 1 << 20

log = logging.getLogger("millstream")


def payload_name(space: str, *, batch_id: str) -> str:
    """The name of the object that holds the records of a minibatch."""
    return f"{FOLDER}/{space}/{batch_id}"


class Spaces:
    """Remembers the spaces of streams, which the ledger knows from the first start of their engine on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, str] = {}

    async def of(self, pipeline: str) -> str:
        """The space of a stream, "" while it has none."""
        if pipeline not in self._known:
            found = await self._ledger.read(ReadMeta(key=space_key(pipeline)))
            if found is None:
                return ""
            self._known[pipeline] = found
        return self._known[pipeline]


def space_key(pipeline: str) -> str:
    """The `ReadMeta` key of the space of a stream."""
    return f"space of {pipeline}"


class PayloadKeeper:
    """The engine's side, for one stream: makes copies, and deletes what is not needed any more.

    `read` reads the spool. At most `at_once` copies are made at the same time.
    """

    def __init__(
        self, pipeline: str, *, space: str, store: Store, read: ReadSpool, ledger: Ledger, at_once: int = 4
    ) -> None:
        self._pipeline = pipeline
        self._space = space
        self._store = store
        self._read = read
        self._ledger = ledger
        self._slots = asyncio.Semaphore(at_once)

    async def keep(self, batch_id: str) -> None:
        """Return once the records of a closed batch are in the store; one that is over is left alone.

        Raises StoreUnavailableError, ObjectRefusedError, SpoolDamagedError or OSError.
        """
        async with self._slots:
            rows = await self._ledger.read(ReadBatches(batch_id=batch_id))
            if rows and rows[0].state not in OVER and rows[0].kind is Kind.MINIBATCH:
                await asyncio.to_thread(self._copy, rows[0])

    async def clean(self) -> int:
        """Delete what was left of batches that are over; returns how many objects. Raises StoreUnavailableError."""
        prefix = payload_name(self._space, batch_id=f"{self._pipeline}-")
        found = await asyncio.to_thread(lambda: [each.name for each in self._store.list(prefix)])
        removed = 0
        for name in found:
            rows = await self._ledger.read(ReadBatches(batch_id=name.rpartition("/")[2]))
            if rows and (rows[0].pipeline != self._pipeline or rows[0].state not in OVER):
                continue  # a pipeline may be named as another one, with a dash behind it
            await asyncio.to_thread(self._store.delete, name)
            removed += 1
        return removed

    def _copy(self, row: BatchRow) -> None:
        name = payload_name(self._space, batch_id=row.id)
        with contextlib.suppress(ObjectMissingError):
            if self._store.head(name).size_bytes == row.size_bytes:
                return  # by an earlier engine, and whole: an object appears when it is complete
        checked = _Checked(row.id, size_bytes=row.size_bytes, checksum=row.checksum)
        self._store.put(name, checked.pieces(self._read(row.log, row.ranges)))


class ReferringPool:
    """The worker's side, for one stream: a pool that is told where the records of minibatches are."""

    def __init__(self, pool: Pool, *, ledger: Ledger) -> None:
        self._pool = pool
        self._spaces = Spaces(ledger)

    async def start(self) -> None:
        """See `Pool`."""
        await self._pool.start()

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """See `Pool`."""
        name = payload_name(await self._spaces.of(job.pipeline), batch_id=job.id)
        return await self._pool.run(replace(job, log=name, ranges=()), alone=alone)

    async def stop(self) -> None:
        """See `Pool`."""
        await self._pool.stop()


class WithPayload:
    """A handler whose records are fetched for it, in a worker host; `open_store` is called once, in the host.

    Raises StoreUnavailableError while the records are not there, so the attempt is not charged, and SpoolDamagedError
    when they are not what the ledger recorded.
    """

    def __init__(self, handler: Handler, *, open_store: Callable[[], Store]) -> None:
        self._handler = handler
        self._store = open_store()

    def __call__(self, batch: Batch, context: Context) -> object:
        """Fetch and work."""
        file = tempfile.TemporaryFile(dir=context.scratch or None)  # noqa: SIM115 - an async handler outlives this call
        try:
            self._fetch(batch, file, context)
            value = self._handler(batch.reading(_reader_of(file)), context)
        except BaseException:
            file.close()
            raise
        if inspect.isawaitable(value):
            return _finish(value, file=file)
        file.close()
        return value

    def _fetch(self, batch: Batch, file: IO[bytes], context: Context) -> None:
        checked = _Checked(batch.id, size_bytes=batch.size_bytes, checksum=batch.checksum)
        try:
            found = self._store.head(batch.log)
            for piece in checked.pieces(self._store.stream(batch.log, version=found.version)):
                context.heartbeat()
                file.write(piece)
        except ObjectMissingError:
            raise StoreUnavailableError(
                address=self._store.address, reason=f"the records of {batch.id} are not there, or not yet"
            ) from None
        file.flush()


class PayloadRemover:
    """A listener of a worker's events that deletes the records of batches that are over, in the background."""

    def __init__(self, pipelines: Sequence[str], *, open_store: Callable[[], Store]) -> None:
        self._pipelines = frozenset(pipelines)
        self._open_store = open_store
        self._over: asyncio.Queue[AttemptEnded] = asyncio.Queue()

    def __call__(self, event: Event) -> None:
        """Note what is over; called in the event loop."""
        if isinstance(event, AttemptEnded) and event.state in OVER and event.pipeline in self._pipelines:
            self._over.put_nowait(event)

    async def run(self, ledger: Ledger, clock: Clock) -> None:
        """Delete until cancelled; what cannot be deleted now is left to the engine."""
        del clock
        spaces, store = Spaces(ledger), self._open_store()
        try:
            while True:
                event = await self._over.get()
                try:
                    name = payload_name(await spaces.of(event.pipeline), batch_id=event.batch_id)
                    await asyncio.to_thread(store.delete, name)
                except MillstreamError as error:
                    log.warning("%s: its records are left in the store for now: %s", event.batch_id, error)
        finally:
            store.close()


class _Checked:
    """Hands pieces on, and compares them with what the ledger recorded."""

    def __init__(self, batch_id: str, *, size_bytes: int, checksum: int) -> None:
        self._batch_id = batch_id
        self._expected = (size_bytes, checksum)

    def pieces(self, found: Iterator[bytes]) -> Iterator[bytes]:
        """All of them; raises SpoolDamagedError behind the last one."""
        size = checksum = 0
        for piece in found:
            size += len(piece)
            checksum = zlib.crc32(piece, checksum)
            yield piece
        if (size, checksum) != self._expected:
            raise SpoolDamagedError(
                path=self._batch_id,
                expected=f"{self._expected[0]} bytes with checksum {self._expected[1]:08x}",
                found=f"{size} bytes with checksum {checksum:08x}",
            )


def _reader_of(file: IO[bytes]) -> ReadSpool:
    """Reads a file from its start, as often as it is asked to, in any thread."""
    descriptor = file.fileno()

    def read(_log: str, _ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        position = 0
        while piece := os.pread(descriptor, PIECE_BYTES, position):
            position += len(piece)
            yield piece

    return read


async def _finish(value: Awaitable[object], *, file: IO[bytes]) -> object:
    try:
        return await value
    finally:
        file.close()
