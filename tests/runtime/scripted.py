"""A source, a spool and a pool that do what a test tells them, and a ledger in memory."""

import asyncio
from collections import deque
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.model import AttemptResult, Done, Job, Lines, Outcome
from millstream.errors import SourceError
from millstream.ports import Clock
from millstream.runtime.attempt import STOPPED
from millstream.testing.faults import MemorySpool


def memory_ledger() -> SqliteLedger:
    """A ledger that does each call at once, in order."""
    return SqliteLedger(Path(":memory:"), inline=True)


def lines_of(*records: bytes, at: float, position: str = "") -> Lines:
    """A block of these records."""
    data = b"".join(record + b"\n" for record in records)
    return Lines(data=data, count=len(records), read_at=at, position=position)


class ScriptedSource:
    """Hands over what the test puts into it; positions count records."""

    name = "script"

    def __init__(self, clock: Clock, *, bounded: bool = True, replayable: bool = True) -> None:
        self.bounded = bounded
        self.replayable = replayable
        self.opened_at: list[str | None] = []
        self.closed = 0
        self.left: Lines | None = None
        self._clock = clock
        self._records = 0
        self._waiting: deque[Lines | SourceError | None] = deque()
        self._arrived = asyncio.Event()

    def put(self, *records: bytes) -> None:
        """These arrive now, in one block."""
        self._records += len(records)
        self._arrive(lines_of(*records, at=self._clock.now(), position=str(self._records)))

    def end(self) -> None:
        """The input ends."""
        self._arrive(None)

    def fail(self, error: SourceError) -> None:
        """The next read raises."""
        self._arrive(error)

    @property
    def waiting(self) -> int:
        """Blocks that nobody has read."""
        return len(self._waiting)

    def _arrive(self, item: Lines | SourceError | None) -> None:
        self._waiting.append(item)
        self._arrived.set()

    async def open(self, position: str | None) -> None:
        """See ports.Source."""
        self.opened_at.append(position)
        self._records = int(position or 0)

    async def read(self) -> Lines | None:
        """See ports.Source."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        item = self._waiting.popleft()
        if isinstance(item, SourceError):
            raise item
        return item

    def leftovers(self) -> Lines | None:
        """See ports.Source."""
        return self.left

    async def close(self) -> None:
        """See ports.Source."""
        self.closed += 1


class FailingSpool(MemorySpool):
    """A spool whose syncs raise `error` while there is one."""

    error: OSError | None = None

    def __init__(self, **settings: int) -> None:
        super().__init__(**settings)
        self._tries = asyncio.Condition()

    async def tried(self, *, more: int) -> None:
        """Return when so many more syncs were tried."""
        async with self._tries:
            for _ in range(more):
                await self._tries.wait()

    async def sync(self) -> None:
        """See ports.Spool."""
        async with self._tries:
            self._tries.notify_all()
        if self.error is not None:
            raise self.error
        await super().sync()


class ScriptedPool:
    """Attempts end as the test says: at once with `results` by batch id, or when it lets them `end`."""

    def __init__(self, *, slots: int = 10) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.calls: list[tuple[Job, bool]] = []
        self.results: dict[str, list[AttemptResult]] = {}
        self.running: dict[str, asyncio.Future[AttemptResult]] = {}
        self.cancelled: list[str] = []
        self.is_stopped = False

    async def start(self) -> None:
        """See ports.Pool."""

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """See ports.Pool."""
        self.calls.append((job, alone))
        if self.is_stopped:
            return STOPPED
        if self.results.get(job.id):
            return self.results[job.id].pop(0)
        async with self.slots:
            ended: asyncio.Future[AttemptResult] = asyncio.get_running_loop().create_future()
            self.running[job.id] = ended
            try:
                return await ended
            except asyncio.CancelledError:
                self.cancelled.append(job.id)
                raise
            finally:
                del self.running[job.id]

    async def stop(self) -> None:
        """See ports.Pool."""
        self.is_stopped = True
        for ended in self.running.values():
            ended.set_result(STOPPED)

    def end(self, batch_id: str, outcome: Outcome | None = None, **fields: object) -> None:
        """The attempt that runs on a batch ends."""
        self.running[batch_id].set_result(AttemptResult(outcome=outcome or Done(), **fields))

    @property
    def worked(self) -> list[str]:
        """The ids of all batches that were handed in, in order."""
        return [job.id for job, _ in self.calls]
