"""Cut a stream of records into minibatches.

Theory of operation: a minibatch opens with its first record and is due `window_s` later, or `idle_gap_s` after
its last record, whichever comes first; the moment it is due is a fact that depends on nothing that arrives later.
Blocks of records go in with the time they arrived; out come `Step`s in the order in which they happened: opened,
grown by a slice of the block, closed for a reason. A record that arrives exactly when a minibatch is due belongs to
the next one. With a key there is one open minibatch per key; when there would be too many, the one that was opened
first is closed (reason `keys`). The cutter never looks inside a record; only where one limit falls into the middle
of a block does it search for the newline to cut at.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from millstream.core.model import CutReason

NEWLINE = b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a minibatch closes; None switches a limit off.

    `window_s` after its first record; at `max_count` records; before it would exceed `max_bytes` (a single larger
    record is a minibatch of its own); `idle_gap_s` after its last record. `max_keys` bounds how many are open.
    """

    window_s: float | None = 300.0
    max_count: int | None = None
    max_bytes: int | None = None
    idle_gap_s: float | None = None
    max_keys: int = 10_000


class Opened(NamedTuple):
    """A minibatch was opened; `closes_at` is its stored deadline. `skipped` records of the block came before it."""

    key: str | None
    at: float
    closes_at: float | None
    skipped: int


class Grown(NamedTuple):
    """The open minibatch of `key` took so many whole records."""

    key: str | None
    data: bytes
    records: int
    at: float


class Closed(NamedTuple):
    """The open minibatch of `key` was cut; `at` is when it was due or when the limit was reached."""

    key: str | None
    reason: CutReason
    at: float


Step = Opened | Grown | Closed
"""Named tuples, because with keys there is one for nearly every record (measured by bench/stream.py)."""


@dataclass(slots=True, kw_only=True)
class OpenMinibatch:
    """What the cutter must know of an open minibatch; also how one is restored after a restart."""

    key: str | None
    opened_at: float
    closes_at: float | None
    last_at: float
    records: int = 0
    size_bytes: int = 0


class Cutter:
    """Decides which records go into which minibatch.

    Not thread-safe and does no I/O; whoever calls it carries out the steps it returns, in order.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[str | None, OpenMinibatch] = {}
        # Lower bounds of due times: an entry is checked against the minibatch when its time comes.
        self._dues: list[tuple[float, int, str | None]] = []
        self._tie = 0
        self._now = float("-inf")

    def __len__(self) -> int:
        return len(self._open)

    def restore(self, minibatch: OpenMinibatch) -> None:
        """Continue a minibatch that was open when an earlier engine ended; its deadline stays what it was."""
        self._open[minibatch.key] = minibatch
        self._watch(minibatch)

    def next_due(self) -> float | None:
        """When `tick` should be called next, in engine seconds (it may then find nothing to do)."""
        return self._dues[0][0] if self._dues else None

    def tick(self, now: float) -> list[Step]:
        """Close everything that is due at `now`, in the order of the due times."""
        self._now = max(self._now, now)
        if not self._dues or self._dues[0][0] > self._now:
            return []
        steps: list[Step] = []
        while self._dues and self._dues[0][0] <= self._now:
            _, _, key = heapq.heappop(self._dues)
            minibatch = self._open.get(key)
            if minibatch is None:
                continue
            due = self._due(minibatch)
            if due is None or due > self._now:
                self._watch(minibatch)
                continue
            reason = CutReason.TIME if due == minibatch.closes_at else CutReason.IDLE
            steps.append(self._close(minibatch, reason, due))
        return steps

    def grow(self, key: str | None, *, count: int, size_bytes: int) -> bool:
        """Take records into the open minibatch of `key` as they are, if nothing has to be opened, cut or closed.

        The short way for most records of a stream with keys, after a `tick` at their time; False means that nothing
        was taken and `take` must decide.
        """
        minibatch = self._open.get(key)
        if minibatch is None:
            return False
        limits = self.limits
        records, size = minibatch.records + count, minibatch.size_bytes + size_bytes
        if limits.max_count is not None and records >= limits.max_count:
            return False
        if limits.max_bytes is not None and size >= limits.max_bytes:
            return False
        minibatch.records, minibatch.size_bytes, minibatch.last_at = records, size, self._now
        return True

    def take(self, data: bytes, *, count: int, at: float, key: str | None = None) -> list[Step]:
        """Distribute a block of `count` whole records that arrived at `at` (the past counts as now)."""
        steps = self.tick(at)
        start = skipped = 0
        while skipped < count:
            minibatch = self._open.get(key)
            if minibatch is None:
                steps.extend(self._make_room())
                minibatch = self._open_one(key)
                steps.append(Opened(key=key, at=minibatch.opened_at, closes_at=minibatch.closes_at, skipped=skipped))
            end, taken = self._fits(minibatch, data, start=start, left=count - skipped)
            if not taken:
                steps.append(self._close(minibatch, CutReason.BYTES, self._now))
                continue
            steps.append(self._grow(minibatch, data[start:end], taken))
            start, skipped = end, skipped + taken
            full = self._full(minibatch)
            if full is not None:
                steps.append(self._close(minibatch, full, self._now))
        return steps

    def finish(self, reason: CutReason, *, now: float) -> list[Step]:
        """Close every open minibatch: the input ended, or the engine drains."""
        steps = self.tick(now)
        steps.extend(self._close(minibatch, reason, self._now) for minibatch in list(self._open.values()))
        return steps

    def _open_one(self, key: str | None) -> OpenMinibatch:
        window_s = self.limits.window_s
        minibatch = OpenMinibatch(
            key=key,
            opened_at=self._now,
            closes_at=None if window_s is None else self._now + window_s,
            last_at=self._now,
        )
        self._open[key] = minibatch
        self._watch(minibatch)
        return minibatch

    def _make_room(self) -> Iterator[Step]:
        """Close the minibatch that was opened first when all places are taken (a dict keeps that order)."""
        if len(self._open) >= self.limits.max_keys:
            yield self._close(next(iter(self._open.values())), CutReason.KEYS, self._now)

    def _grow(self, minibatch: OpenMinibatch, data: bytes, count: int) -> Step:
        minibatch.records += count
        minibatch.size_bytes += len(data)
        minibatch.last_at = self._now
        return Grown(minibatch.key, data, count, self._now)

    def _close(self, minibatch: OpenMinibatch, reason: CutReason, at: float) -> Step:
        del self._open[minibatch.key]
        return Closed(key=minibatch.key, reason=reason, at=at)

    def _due(self, minibatch: OpenMinibatch) -> float | None:
        gap_s = self.limits.idle_gap_s
        idle = None if gap_s is None else minibatch.last_at + gap_s
        if idle is None or minibatch.closes_at is None:
            return minibatch.closes_at if idle is None else idle
        return min(idle, minibatch.closes_at)

    def _watch(self, minibatch: OpenMinibatch) -> None:
        due = self._due(minibatch)
        if due is not None:
            self._tie += 1
            heapq.heappush(self._dues, (due, self._tie, minibatch.key))

    def _full(self, minibatch: OpenMinibatch) -> CutReason | None:
        limits = self.limits
        if limits.max_count is not None and minibatch.records >= limits.max_count:
            return CutReason.COUNT
        if limits.max_bytes is not None and minibatch.size_bytes >= limits.max_bytes:
            return CutReason.BYTES
        return None

    def _fits(self, minibatch: OpenMinibatch, data: bytes, *, start: int, left: int) -> tuple[int, int]:
        """Where the part of `data[start:]` that still fits ends, and how many records it holds."""
        end, count = len(data), left
        max_bytes, max_count = self.limits.max_bytes, self.limits.max_count
        if max_bytes is not None and end - start > max_bytes - minibatch.size_bytes:
            room = max(0, max_bytes - minibatch.size_bytes)
            end = data.rfind(NEWLINE, start, start + room) + 1
            if end == 0 and minibatch.records == 0:
                end = data.index(NEWLINE, start) + 1
            count = data.count(NEWLINE, start, end) if end else 0
        if max_count is not None and count > max_count - minibatch.records:
            count = max_count - minibatch.records
            end = _after_newline(data, start, count)
        return end, count


def _after_newline(data: bytes, start: int, count: int) -> int:
    """The position after the `count`-th newline of `data[start:]`."""
    for _ in range(count):
        start = data.index(NEWLINE, start) + 1
    return start
