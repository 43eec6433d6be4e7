"""The ports of the batch engine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from millstream.core.model import AttemptResult, FileRef, Job, Lines
from millstream.core.operations import Operation
from millstream.core.queries import Query

Answer = TypeVar("Answer")


class Clock(Protocol):
    """The engine's time.

    `now` is seconds since the Unix epoch on the engine's own axis: it never steps backwards while the engine
    runs, and runs `speed` times as fast as the wall.
    """

    @property
    def speed(self) -> float:
        """Engine seconds per real second."""
        ...

    def now(self) -> float:
        """The engine's time in seconds; any thread may ask."""
        ...

    def civil(self) -> float:
        """The engine's time by the wall clock, for schedules: it follows when an operator sets the clock."""
        ...

    async def sleep_until(self, when_s: float) -> None:
        """Return once `now() >= when_s`; returns at once if that has passed."""
        ...


class Source(Protocol):
    """Where records come from.

    One engine task calls `open` once, then `read` until it answers None, then `close`. `name` identifies the
    source in the ledger: positions are stored under it. `bounded` says whether the input has an end;
    `replayable` whether it can be read again from a position.
    """

    name: str
    bounded: bool
    replayable: bool

    async def open(self, position: str | None) -> None:
        """Continue after `position` (what an earlier `Lines.position` said), or from the start when None."""
        ...

    async def read(self) -> Lines | None:
        """The next block of whole records, as soon as there is one; None at the end, and ever after.

        A block without records only moves the position. Cancelling a waiting `read` loses nothing: the next call
        returns what it would have returned.
        """
        ...

    def leftovers(self) -> Lines | None:
        """What was already taken from the outside but not handed over, without waiting.

        Asked once, when intake stops before the end. Only a source that cannot be replayed has any.
        """
        ...

    async def close(self) -> None:
        """Let go of everything; idempotent."""
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """What a source may be besides: one that tells the outside what was taken over for good."""

    def committed(self, position: str) -> None:
        """Everything up to `position` is durable here, so it need not be kept there any more.

        Called in the event loop, in order, after the transaction that holds `position`; must not block and raises
        nothing. What it starts is finished by `close`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one look at the folders found.

    `settled` are files that may be worked; `unsettled` are still being written; `refused` pairs a path with the
    reason why it must not be worked (a symbolic link that leaves the root, a name that cannot be passed on);
    `ignored` counts hidden files.
    """

    settled: tuple[FileRef, ...]
    unsettled: tuple[FileRef, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    ignored: int = 0


class Lister(Protocol):
    """Finds files."""

    async def scan(self) -> Listing:
        """List all files once, ordered by path, each path once however often it was named."""
        ...


class Spool(Protocol):
    """An append-only store of bytes in named logs, addressed by logical position.

    `append` hands bytes over and returns the position of the first one; they are durable only after `sync`.
    Called by one task; `read` may be called anywhere, for synced bytes only.
    """

    def append(self, log: str, data: bytes) -> int:
        """Add `data` at the end of `log`; returns its start position. Does not block."""
        ...

    async def sync(self) -> None:
        """Return when everything appended before the call is on disk.

        Raises OSError (a full disk) after which it can be called again and continues where it failed.
        """
        ...

    def recover(self, log: str, end: int) -> None:
        """Forget everything after `end`, the position the ledger knows; called before the first append.

        Raises SpoolDamagedError when less than `end` is there.
        """
        ...

    def read(self, log: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """The bytes of half-open `ranges` of `log`, in pieces of at most 1 MiB."""
        ...

    def forget(self, log: str, before: int) -> int:
        """Delete whole segments that end at or before `before`; returns the bytes freed."""
        ...

    def size_bytes(self) -> int:
        """Bytes on disk."""
        ...

    def close(self) -> None:
        """Let go of files; idempotent; what was not synced may be lost."""
        ...


class Ledger(Protocol):
    """The one owner of deadlines, attempts and completion."""

    async def apply(self, operations: Sequence[Operation[object]]) -> list[object]:
        """Apply all operations in one durable transaction and return one result for each.

        Group commit: calls that wait at the same time share a transaction, in order of arrival. Either all
        operations of a call take effect or none.
        """
        ...

    async def do(self, operation: Operation[Answer]) -> Answer:
        """Apply one operation and return its result."""
        ...

    async def read(self, query: Query[Answer]) -> Answer:
        """Answer a query from what is committed."""
        ...

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the event loop when somebody else changed the ledger; returns how to stop that."""
        ...

    async def close(self) -> None:
        """Finish what was handed in and let go; idempotent."""
        ...


class Pool(Protocol):
    """Runs attempts outside of the engine process."""

    async def start(self) -> None:
        """Make workers ready; raises HandlerImportError when the handler cannot be loaded."""
        ...

    async def run(self, job: Job, *, alone: bool = False) -> AttemptResult:
        """Run one attempt to its end.

        Waits for a free worker first. When it returns, nothing of the attempt runs any more. A crash, a time-out
        or a lost worker is a result, not an exception. Cancelling the call kills the attempt. With `alone` no other
        attempt shares its worker host, so that a crash has one suspect.
        """
        ...

    async def stop(self) -> None:
        """End all workers; attempts that still run end as lost; idempotent."""
        ...
