"""What the suites of both logs share: the topics of a count, a listener that remembers, and polling with patience."""

# ruff: noqa: S101 - a suite asserts, and its numbers are examples

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from millstream.ports.framelog import Bookmark, CaughtUp, DeltaLog, DeltaRecord, FrameLog, Restored, Run

PATIENCE_S = 40.0
POLL_S = 0.1


class Deployment(Protocol):
    """The topics of one count, new and empty, and processes that use them."""

    def append(self, partition: int, values: Sequence[bytes | None]) -> None:
        """Write frames to the input."""
        ...

    def add_partition(self) -> None:
        """Give the input one partition more."""
        ...

    def frames(self, *, slot: str = "0") -> FrameLog:
        """A new worker; one of the same slot as an earlier worker is its successor."""
        ...

    def deltas(self) -> DeltaLog:
        """A new merger."""
        ...

    def results(self) -> list[tuple[str, bytes]]:
        """All results that were committed, in their order."""
        ...

    def dead_letters(self) -> list[tuple[int, int, bytes | None]]:
        """Partition, offset and value of all dead letters that were committed."""
        ...


class Share:
    """Remembers what `Rebalanced` was told and what was read since; `on_revoke` is called inside of `revoked`."""

    def __init__(self) -> None:
        self.bookmarks: dict[int, Bookmark | None] = {}
        self.values: dict[int, list[bytes | None]] = {}
        self.offsets: dict[int, list[int]] = {}
        self.ends: dict[int, int] = {}
        self.told: list[str] = []
        self.on_revoke: Callable[[], None] = lambda: None

    def assigned(self, bookmarks: Mapping[int, Bookmark | None]) -> None:
        """Start with these."""
        self.told.append("assigned")
        for partition, bookmark in bookmarks.items():
            self.bookmarks[partition] = bookmark
            self.values[partition], self.offsets[partition] = [], []
            self.ends.pop(partition, None)

    def revoked(self, partitions: Sequence[int]) -> None:
        """Give these up."""
        self.told.append("revoked")
        self.on_revoke()
        self._forget(partitions)

    def lost(self, partitions: Sequence[int]) -> None:
        """These went."""
        self.told.append("lost")
        self._forget(partitions)

    def take(self, found: Sequence[Run | CaughtUp]) -> None:
        """Remember what was read."""
        for one in found:
            assert one.partition in self.bookmarks, "only what is assigned is delivered"
            if isinstance(one, CaughtUp):
                self.ends[one.partition] = one.end
                continue
            assert len(one.values) == len(one.offsets)
            assert one.end > one.offsets[-1]
            self.values[one.partition] += one.values
            self.offsets[one.partition] += one.offsets

    def bookmark(self, partition: int, note: str = "") -> Bookmark:
        """Where reading is."""
        return Bookmark(offset=self.offsets[partition][-1] + 1, note=note)

    def _forget(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self.bookmarks.pop(partition, None)


def read(log: FrameLog, share: Share, *, until: Callable[[], object]) -> None:
    """Poll until something is true."""
    limit_s = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < limit_s, f"told {share.told}, read {share.offsets}, ends {share.ends}"
        share.take(log.poll(POLL_S, share))


def started(log: DeltaLog) -> Restored:
    """Wait until a merger is at work."""
    limit_s = time.monotonic() + PATIENCE_S
    while (restored := log.start()) is None:
        assert time.monotonic() < limit_s, "it never becomes active"
    return restored


def deltas_of(log: DeltaLog, *, count: int) -> list[DeltaRecord]:
    """Poll until so many deltas came."""
    found: list[DeltaRecord] = []
    limit_s = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < limit_s, f"{found} came, {count} are expected"
        found += log.poll(POLL_S)
    return found


def share_out(one: tuple[FrameLog, Share], other: tuple[FrameLog, Share]) -> None:
    """Poll two workers in turn until each has one partition."""
    limit_s = time.monotonic() + PATIENCE_S
    while not (len(one[1].bookmarks) == len(other[1].bookmarks) == 1):
        assert time.monotonic() < limit_s, f"shares are {one[1].bookmarks} and {other[1].bookmarks}"
        for log, share in (one, other):
            share.take(log.poll(POLL_S, share))


class Suite:
    """What both suites share."""

    def deployment(self, *, partitions: int) -> AbstractContextManager[Deployment]:
        """New topics, the input with so many partitions; every log made from it is closed by the test."""
        raise NotImplementedError

    @pytest.fixture
    def two(self) -> Iterator[Deployment]:
        """A deployment with two partitions."""
        with self.deployment(partitions=2) as deployment:
            yield deployment
