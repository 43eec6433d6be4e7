"""Faults on purpose: crash at any step, lose what was not synced, work slowly.

Theory of operation: a `FaultPlan` counts the steps at which a process may die, and dies at the one it was told to.
From then on nothing takes effect any more, whatever the dying code still does in its `finally` blocks: everything
that would change something raises as well. So a simulation runs once with a plan that never crashes, to learn how
many steps there are, then once for each of them; after each crash it goes on with the same ledger, and with the
spool that `MemorySpool.after_crash` says a new process would find:

    counted = FaultPlan()
    await simulate(counted)
    for step in range(1, len(counted.names) + 1):
        plan = FaultPlan(crash_at=step)
        try:
            await simulate(plan)
        except* Crash:
            await continue_and_check(plan)

A clock that is set while the engine runs is `ManualClock.step_civil`.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar, cast

from millstream.core.operations import Operation
from millstream.core.queries import Query
from millstream.errors import SpoolDamagedError
from millstream.ports import Clock, Ledger, Spool
from millstream.runtime.batch import Batch, Context, Handler

Answer = TypeVar("Answer")

READ_BYTES = 1 << 20


class Crash(BaseException):
    """The process died here; no `Exception`, so that what handles errors does not survive it."""


@dataclass(slots=True)
class FaultPlan:
    """Where a simulated process dies: at its step number `crash_at`, counted from 1, or never when None.

    `names` are the steps that were taken, so that a failing test can say where; after a crash the last one is the
    step it died at.
    """

    crash_at: int | None = None
    names: list[str] = field(default_factory=list)
    crashed: bool = False

    def step(self, name: str) -> None:
        """Take a step; raises Crash when it is the one to die at, or when the process is dead already."""
        self.check()
        self.names.append(name)
        self.crashed = len(self.names) == self.crash_at
        self.check()

    def check(self) -> None:
        """Raise Crash when the process is dead."""
        if self.crashed:
            raise Crash(f"at step {self.crash_at}: {self.names[-1]}")


class FaultyLedger:
    """Implements ports.Ledger on another ledger; may crash before and after the commit of each call."""

    def __init__(self, ledger: Ledger, *, plan: FaultPlan) -> None:
        self._ledger = ledger
        self._plan = plan

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """See ports.Ledger."""
        what = ", ".join(type(operation).__name__ for operation in operations)
        self._plan.step(f"before the commit of {what}")
        results = await self._ledger.apply(operations)
        self._plan.step(f"after the commit of {what}")
        return results

    async def do(self, operation: Operation[Answer]) -> Answer:
        """See ports.Ledger."""
        return cast("Answer", (await self.apply([operation]))[0])

    async def read(self, query: Query[Answer]) -> Answer:
        """See ports.Ledger."""
        return await self._ledger.read(query)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See ports.Ledger."""
        return self._ledger.listen(callback)

    async def close(self) -> None:
        """See ports.Ledger."""
        await self._ledger.close()


class FaultySpool:
    """Implements ports.Spool on another spool; may crash before and after each sync."""

    def __init__(self, spool: Spool, *, plan: FaultPlan) -> None:
        self._spool = spool
        self._plan = plan

    def append(self, log: str, data: bytes) -> int:
        """See ports.Spool."""
        self._plan.check()
        return self._spool.append(log, data)

    async def sync(self) -> None:
        """See ports.Spool."""
        self._plan.step("before a sync of the spool")
        await self._spool.sync()
        self._plan.step("after a sync of the spool")

    def recover(self, log: str, end: int) -> None:
        """See ports.Spool."""
        self._plan.check()
        self._spool.recover(log, end)

    def read(self, log: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """See ports.Spool."""
        return self._spool.read(log, ranges)

    def forget(self, log: str, before: int) -> int:
        """See ports.Spool."""
        self._plan.check()
        return self._spool.forget(log, before)

    def size_bytes(self) -> int:
        """See ports.Spool."""
        return self._spool.size_bytes()

    def close(self) -> None:
        """See ports.Spool."""
        self._spool.close()


class MemorySpool:
    """Implements ports.Spool in memory, and knows which bytes a crash would lose.

    Segments are filled as on a disk: a piece that starts when its segment holds `segment_bytes` begins a new one.
    """

    def __init__(self, *, segment_bytes: int = 64 << 20) -> None:
        self._segment_bytes = segment_bytes
        self._logs: dict[str, _MemoryLog] = {}

    def after_crash(self, *, keep_unsynced: int = 0) -> "MemorySpool":
        """The spool that a process finds which starts after this one was killed.

        Of each log it holds what was synced and up to `keep_unsynced` bytes of what was not: a torn tail.
        """
        found = MemorySpool(segment_bytes=self._segment_bytes)
        found._logs = deepcopy(self._logs)
        for log in found._logs.values():
            log.cut(min(log.end, log.synced + keep_unsynced))
        return found

    def append(self, log: str, data: bytes) -> int:
        """See ports.Spool."""
        return self._log(log).append(data, segment_bytes=self._segment_bytes)

    async def sync(self) -> None:
        """See ports.Spool."""
        for log in self._logs.values():
            log.synced = log.end

    def recover(self, log: str, end: int) -> None:
        """See ports.Spool."""
        found = self._log(log)
        if found.end < end:
            raise SpoolDamagedError(path=log, expected=f"{end} bytes in all", found=f"{found.end} bytes in all")
        found.cut(end)

    def read(self, log: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """See ports.Spool."""
        for start, end in ranges:
            position = start
            while position < end:
                piece = self._log(log).piece(position, end)
                if not piece:
                    raise SpoolDamagedError(
                        path=log, expected=f"bytes {position} to {end}", found=f"nothing at {position}"
                    )
                position += len(piece)
                yield piece

    def forget(self, log: str, before: int) -> int:
        """See ports.Spool."""
        return self._log(log).forget(before)

    def size_bytes(self) -> int:
        """See ports.Spool."""
        return sum(log.synced - next(iter(log.segments), 0) for log in self._logs.values())

    def close(self) -> None:
        """See ports.Spool."""

    def _log(self, name: str) -> "_MemoryLog":
        return self._logs.setdefault(name, _MemoryLog())


@dataclass(slots=True)
class _MemoryLog:
    """One log: its segments by the position of their first byte, ascending."""

    segments: dict[int, bytearray] = field(default_factory=dict)
    end: int = 0
    synced: int = 0

    def append(self, data: bytes, *, segment_bytes: int) -> int:
        start = self.end
        last = next(reversed(self.segments), None)
        if last is None or start - last >= segment_bytes:
            last = start
        self.segments.setdefault(last, bytearray()).extend(data)
        self.end += len(data)
        return start

    def cut(self, end: int) -> None:
        """Forget everything after `end`; what is left is synced."""
        self.segments = {base: data[: end - base] for base, data in self.segments.items() if base <= end}
        self.end = self.synced = end

    def piece(self, position: int, end: int) -> bytes:
        """Synced bytes from `position` on, at most up to `end`, to the end of their segment and 1 MiB; or nothing."""
        base = max((base for base in list(self.segments) if base <= position), default=position)
        stop = max(position, min(end, self.synced, position + READ_BYTES))
        return bytes(self.segments.get(base, b"")[position - base : stop - base])

    def forget(self, before: int) -> int:
        gone = [base for base, following in pairwise(self.segments) if following <= before]
        return sum(len(self.segments.pop(base)) for base in gone)


def slow(handler: Handler, *, clock: Clock, seconds: float) -> Handler:
    """The same handler, but each call first takes that many seconds of `clock`."""

    async def slowed(batch: Batch, context: Context) -> object:
        await clock.sleep_until(clock.now() + seconds)
        outcome = handler(batch, context)
        return await outcome if inspect.isawaitable(outcome) else outcome

    return slowed
