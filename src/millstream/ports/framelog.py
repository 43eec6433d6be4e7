"""The ports of live counting: what its two stages need of a partitioned log with transactions.

Theory of operation: stage 1 (`FrameLog`) reads frames of its share of the input partitions and writes deltas; stage 2
(`DeltaLog`) reads all deltas and writes results and state. Everything a step changes is one `commit`: outgoing records
and the positions read up to take effect together or not at all. Both are used by one thread, and block.

What `commit` may raise is the heart of it:

* `TransactionAbortedError`: nothing of it happened and nothing will. The caller forgets what it had not committed and
  goes on from the committed positions (`FrameLog` answers the next `poll` from there).
* `FencedError`: a successor took over, or the outcome cannot be known. The process ends; only a fresh start may go on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """How far a partition was read: the next offset, and a note of at most `NOTE_LIMIT` ASCII characters."""

    offset: int
    note: str = ""


NOTE_LIMIT = 4095
"""Characters of a bookmark's note; a broker refuses 4096, and the client appends a NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Values of one partition, in order of offset.

    `offsets` has one number for each value. None as a value is a tombstone. `stamped_s` is when the broker (or the
    writer) says that the last one was written, in Unix seconds, or None when it does not say. `end` is the partition's
    end offset as far as is known.
    """

    partition: int
    values: Sequence[bytes | None]
    offsets: Sequence[int]
    stamped_s: float | None
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """A partition was read up to its end, `end`, and nothing is on its way."""

    partition: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """The copy of a frame that was not counted."""

    partition: int
    offset: int
    reason: str
    value: bytes | None


class Rebalanced(Protocol):
    """What stage 1 does when its share changes; called by `FrameLog.poll`, inside of it."""

    def assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        """These partitions are ours now; the committed bookmark of each, or None for one never read."""
        ...

    def revoked(self, partitions: Sequence[int]) -> None:
        """These are about to go to somebody else: a commit is still possible inside this call."""
        ...

    def lost(self, partitions: Sequence[int]) -> None:
        """These went already: nothing of them can be committed any more."""
        ...


class FrameLog(Protocol):
    """Stage 1's view: some partitions of the input, shared with other workers of the group."""

    def poll(self, timeout_s: float, rebalanced: Rebalanced) -> Sequence[Run | CaughtUp]:
        """What has arrived, at once when something has, or nothing after `timeout_s`.

        Tells `rebalanced` first. Runs of one partition continue where its last run (or its bookmark) ended. Never
        returns an aborted record. `CaughtUp` is told whenever the end of a partition is reached, for an empty one too.
        """
        ...

    def commit(
        self,
        deltas: Sequence[tuple[int, bytes]],
        bookmarks: Mapping[int, Bookmark],
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        """Write deltas (partition, payload) and dead letters, and move bookmarks, in one transaction.

        Raises TransactionAbortedError or FencedError. After the former the log rewinds: the assigned partitions are
        told again through `Rebalanced.assigned` by the next `poll`.
        """
        ...

    def fetch(self, partition: int, offsets: Sequence[int]) -> Mapping[int, bytes | None]:
        """The values at single offsets of an assigned partition, for dead letters; those that are gone are left out."""
        ...

    def pause(self, partitions: Sequence[int]) -> None:
        """Deliver nothing of exactly these partitions until told otherwise (an empty sequence: deliver all)."""
        ...

    def close(self) -> None:
        """Leave the group; idempotent. What was not committed is forgotten."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What the merger finds: its state by key, and per delta partition where to read on and where it ends now."""

    state: Mapping[str, bytes]
    positions: Mapping[int, int]
    ends: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRecord:
    """One record of stage 1."""

    partition: int
    offset: int
    payload: bytes


class DeltaLog(Protocol):
    """Stage 2's view: all delta partitions, read by one active merger."""

    def start(self) -> Restored | None:
        """Become the active merger, which fences every earlier one, and read what it left.

        None while another merger is active; ask again. Reads positions and state after fencing, so nothing that an
        earlier merger may still commit is missed. The positions are those of partitions that exist now: a partition
        that is added later is told by `poll` from offset 0.
        """
        ...

    def poll(self, timeout_s: float) -> Sequence[DeltaRecord]:
        """Deltas that were committed, in order of offset within a partition; nothing after `timeout_s`."""
        ...

    def partitions(self) -> int:
        """How many partitions the input had when it was last looked at; the watermark is the lowest of all of them."""
        ...

    def look(self) -> bool:
        """Ask now how many partitions the input has; False when nobody answers. `partitions` gives what was found."""
        ...

    def commit(
        self,
        results: Sequence[tuple[str, bytes]],
        state: Sequence[tuple[str, bytes | None]],
        positions: Mapping[int, int],
    ) -> None:
        """Write results and state (None forgets a key), and move positions, in one transaction.

        Raises TransactionAbortedError, after which the merger starts again, or FencedError.
        """
        ...

    def close(self) -> None:
        """Stop being the active merger; idempotent."""
        ...
