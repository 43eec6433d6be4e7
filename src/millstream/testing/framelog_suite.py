"""What both logs of live counting must do, as pytest tests: yours are right when subclasses of these suites pass.

    class TestMyFrameLog(FrameLogSuite):
        @contextmanager
        def deployment(self, *, partitions):
            with MyTopics(partitions) as topics:
                yield topics                            # a `Deployment`

`FrameLogSuite` and `DeltaLogSuite` take the same deployment. Nothing here sleeps: what takes time is polled for,
at most `PATIENCE_S` long. The suites need pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.framelog_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol

import pytest

from millstream.errors import FencedError, TransactionAbortedError
from millstream.ports.framelog import (
    NOTE_LIMIT,
    Bookmark,
    CaughtUp,
    DeadLetter,
    DeltaLog,
    DeltaRecord,
    FrameLog,
    Restored,
    Run,
)

PATIENCE_S = 40.0
POLL_S = 0.1
LARGE_BYTES = 900_000


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


class _Suite:
    """What both suites share."""

    def deployment(self, *, partitions: int) -> AbstractContextManager[Deployment]:
        """New topics, the input with so many partitions; every log made from it is closed by the test."""
        raise NotImplementedError

    @pytest.fixture
    def two(self) -> Iterator[Deployment]:
        """A deployment with two partitions."""
        with self.deployment(partitions=2) as deployment:
            yield deployment


class FrameLogSuite(_Suite):
    """The conformance suite of ports.FrameLog; override `deployment`."""

    @pytest.fixture
    def log(self, two: Deployment) -> Iterator[FrameLog]:
        """The only worker."""
        log = two.frames()
        yield log
        log.close()

    # --- reading ---------------------------------------------------------------------------------------------------

    def test_values_come_in_order_of_offset(self, two: Deployment, log: FrameLog) -> None:
        """All values of a partition are delivered once, in order, tombstones as None, and then its end."""
        two.append(0, [b"a", None, b"c"])
        two.append(1, [b"d"])
        share = Share()

        read(log, share, until=lambda: len(share.ends) == 2)

        assert share.values == {0: [b"a", None, b"c"], 1: [b"d"]}
        assert share.offsets[0] == sorted(set(share.offsets[0]))
        assert share.ends[0] > share.offsets[0][-1]

    def test_the_end_of_an_empty_partition_is_told(self, log: FrameLog) -> None:
        """A partition that holds nothing is caught up."""
        share = Share()

        read(log, share, until=lambda: len(share.ends) == 2)

        assert share.ends == {0: 0, 1: 0}

    def test_the_end_is_told_again_when_more_was_read(self, two: Deployment, log: FrameLog) -> None:
        """After the values that came later, the new end is told."""
        share = Share()
        read(log, share, until=lambda: len(share.ends) == 2)

        two.append(0, [b"a"])
        read(log, share, until=lambda: share.ends[0] > 0)

        assert share.values[0] == [b"a"]

    def test_a_partition_that_was_never_read_has_no_bookmark(self, log: FrameLog) -> None:
        """None is told where nothing was committed."""
        share = Share()

        read(log, share, until=lambda: len(share.bookmarks) == 2)

        assert share.bookmarks == {0: None, 1: None}

    def test_single_values_are_fetched(self, two: Deployment, log: FrameLog) -> None:
        """Values at offsets are answered, what is not there is left out, and reading goes on undisturbed."""
        two.append(0, [b"a", b"b", b"c"])
        share = Share()
        read(log, share, until=lambda: len(share.values.get(0, ())) == 3)
        first, _, third = share.offsets[0]

        found = log.fetch(0, [first, third])

        assert found == {first: b"a", third: b"c"}
        two.append(0, [b"d"])
        read(log, share, until=lambda: len(share.values[0]) == 4)

    def test_nothing_is_fetched_that_is_not_there(self, two: Deployment, log: FrameLog) -> None:
        """An offset behind the end has no value."""
        two.append(0, [b"a"])
        share = Share()
        read(log, share, until=lambda: share.values.get(0))

        assert log.fetch(0, [100]) == {}

    def test_a_paused_partition_delivers_nothing(self, two: Deployment, log: FrameLog) -> None:
        """The others go on; an empty pause lets all go on, where they were."""
        share = Share()
        read(log, share, until=lambda: len(share.ends) == 2)
        log.pause([0])
        two.append(0, [b"a"])
        two.append(1, [b"b"])

        read(log, share, until=lambda: share.values[1])
        share.take(log.poll(POLL_S, share))

        assert share.values[0] == []
        log.pause([])
        read(log, share, until=lambda: share.values[0])
        assert share.values[0] == [b"a"]

    # --- committing ------------------------------------------------------------------------------------------------

    def test_a_successor_goes_on_from_the_bookmark(self, two: Deployment) -> None:
        """Offset and note, as long as it may be, are what the next worker is told, and it reads from there."""
        note = "n" * NOTE_LIMIT
        two.append(0, [b"a", b"b"])
        first, share = two.frames(), Share()
        read(first, share, until=lambda: len(share.values.get(0, ())) == 2)
        first.commit([(0, b"delta")], {0: share.bookmark(0, note)})
        first.close()
        two.append(0, [b"c"])

        second, after = two.frames(), Share()
        read(second, after, until=lambda: after.values.get(0))
        second.close()

        assert after.bookmarks[0] == share.bookmark(0, note)
        assert after.values[0] == [b"c"]

    def test_what_was_not_committed_is_read_again(self, two: Deployment) -> None:
        """A worker that leaves without a commit leaves nothing behind."""
        two.append(0, [b"a"])
        first, share = two.frames(), Share()
        read(first, share, until=lambda: share.values.get(0))
        first.close()

        second, after = two.frames(), Share()
        read(second, after, until=lambda: after.values.get(0))
        second.close()

        assert after.bookmarks[0] is None
        assert after.values[0] == [b"a"]

    def test_a_commit_shows_all_of_it(self, two: Deployment, log: FrameLog) -> None:
        """Deltas come in the partition and the order in which they were given, and dead letters with them."""
        two.append(0, [b"a"])
        share = Share()
        read(log, share, until=lambda: share.values.get(0) and 1 in share.bookmarks)
        letter = DeadLetter(partition=0, offset=0, reason="malformed", value=b"a")

        log.commit([(0, b"x"), (1, b"y"), (0, b"z")], {0: share.bookmark(0), 1: Bookmark(offset=0)}, [letter])

        merger = two.deltas()
        started(merger)
        found = deltas_of(merger, count=3)
        merger.close()
        assert [record.payload for record in found if record.partition == 0] == [b"x", b"z"]
        assert [record.payload for record in found if record.partition == 1] == [b"y"]
        assert two.dead_letters() == [(0, 0, b"a")]

    def test_a_commit_for_somebody_elses_partition_is_aborted(self, two: Deployment) -> None:
        """Nothing of it happens, and the next poll tells the worker again where to go on."""
        two.append(0, [b"a"])
        two.append(1, [b"b"])
        first, share = two.frames(slot="0"), Share()
        read(first, share, until=lambda: share.values.get(0) and share.values.get(1))
        second, other = two.frames(slot="1"), Share()
        _share_out((first, share), (second, other))
        (gone,) = other.bookmarks
        (kept,) = share.bookmarks

        with pytest.raises(TransactionAbortedError):
            first.commit([(gone, b"x")], {gone: Bookmark(offset=1)})

        share.told.clear()
        read(first, share, until=lambda: share.told and share.values[kept])
        read(second, other, until=lambda: other.values.get(gone))
        first.close()
        second.close()
        assert share.told == ["assigned"]
        assert share.bookmarks == {kept: None}

    def test_a_worker_is_fenced_by_its_successor(self, two: Deployment) -> None:
        """The predecessor's commit is refused, and nothing of it is seen."""
        two.append(0, [b"a"])
        first, share = two.frames(), Share()
        read(first, share, until=lambda: share.values.get(0))
        second = two.frames()

        with pytest.raises(FencedError):
            first.commit([(0, b"zombie")], {0: share.bookmark(0)})

        with suppress(FencedError):
            first.close()
        after = Share()
        read(second, after, until=lambda: after.values.get(0))
        second.commit([(0, b"good")], {0: after.bookmark(0)})
        second.close()
        merger = two.deltas()
        started(merger)
        found = deltas_of(merger, count=1)
        merger.close()
        assert [record.payload for record in found] == [b"good"]

    # --- sharing ---------------------------------------------------------------------------------------------------

    def test_two_workers_share_the_partitions(self, two: Deployment) -> None:
        """Each has one, and what one committed while it gave up a partition is where the other goes on."""
        two.append(0, [b"a"])
        two.append(1, [b"b"])
        first, share = two.frames(slot="0"), Share()
        read(first, share, until=lambda: share.values.get(0) and share.values.get(1))
        share.on_revoke = lambda: first.commit([], {0: share.bookmark(0, "n0"), 1: share.bookmark(1, "n1")})
        second, other = two.frames(slot="1"), Share()

        _share_out((first, share), (second, other))

        (given,) = other.bookmarks
        first.close()
        second.close()
        assert "revoked" in share.told
        assert set(share.bookmarks) | set(other.bookmarks) == {0, 1}
        assert other.bookmarks[given] == Bookmark(offset=1, note=f"n{given}")

    def test_partitions_of_a_worker_that_leaves_go_to_the_others(self, two: Deployment) -> None:
        """The one that stays has all of them in the end."""
        first, share = two.frames(slot="0"), Share()
        second, other = two.frames(slot="1"), Share()
        _share_out((first, share), (second, other))

        second.close()
        read(first, share, until=lambda: len(share.bookmarks) == 2)

        first.close()
        assert set(share.bookmarks) == {0, 1}

    def test_a_partition_that_is_added_is_read(self, two: Deployment, log: FrameLog) -> None:
        """It is assigned while the worker runs, with no bookmark."""
        share = Share()
        read(log, share, until=lambda: len(share.bookmarks) == 2)

        two.add_partition()
        two.append(2, [b"new"])
        read(log, share, until=lambda: share.values.get(2))

        assert share.values[2] == [b"new"]

    def test_closing_twice_is_closing(self, two: Deployment) -> None:
        """The second close does nothing."""
        log, share = two.frames(), Share()
        read(log, share, until=lambda: share.bookmarks)

        log.close()
        log.close()


class DeltaLogSuite(_Suite):
    """The conformance suite of ports.DeltaLog; override `deployment`."""

    @pytest.fixture
    def worker(self, two: Deployment) -> Iterator[FrameLog]:
        """A worker that owns both partitions."""
        log, share = two.frames(), Share()
        read(log, share, until=lambda: len(share.bookmarks) == 2)
        yield log
        log.close()

    @pytest.fixture
    def merger(self, two: Deployment) -> Iterator[DeltaLog]:
        """The only merger, not started."""
        log = two.deltas()
        yield log
        log.close()

    def test_the_first_merger_finds_nothing(self, merger: DeltaLog) -> None:
        """No state, and the beginning of every partition."""
        restored = started(merger)

        assert restored == Restored(state={}, positions={0: 0, 1: 0}, ends={0: 0, 1: 0})
        assert merger.partitions() == 2

    def test_deltas_come_in_order(self, worker: FrameLog, merger: DeltaLog) -> None:
        """What was committed before the start and after it is read once, by offset."""
        worker.commit([(0, b"a"), (0, b"b")], {0: Bookmark(offset=0)})
        started(merger)
        first = deltas_of(merger, count=2)
        worker.commit([(0, b"c")], {0: Bookmark(offset=0)})

        found = [*first, *deltas_of(merger, count=1)]

        assert [record.payload for record in found] == [b"a", b"b", b"c"]
        assert [record.offset for record in found] == sorted({record.offset for record in found})

    def test_results_are_seen_after_the_commit(self, two: Deployment, merger: DeltaLog) -> None:
        """All of them, in the order in which they were given."""
        started(merger)

        merger.commit([("minute:0", b"1"), ("hour:0", b"2"), ("minute:0", b"3")], [], {})

        assert two.results() == [("minute:0", b"1"), ("hour:0", b"2"), ("minute:0", b"3")]

    def test_a_successor_finds_state_and_positions(self, two: Deployment, worker: FrameLog, merger: DeltaLog) -> None:
        """The last value of each key, without those that were forgotten, and where the last commit left off."""
        worker.commit([(0, b"a"), (0, b"b"), (1, b"c")], {0: Bookmark(offset=0), 1: Bookmark(offset=0)})
        started(merger)
        second_of_0 = [record for record in deltas_of(merger, count=3) if record.partition == 0][1]
        merger.commit([], [("kept", b"old"), ("gone", b"x")], {})
        large = bytes(LARGE_BYTES)
        merger.commit([], [("kept", b"new"), ("gone", None), ("large", large)], {0: second_of_0.offset})
        merger.close()

        successor = two.deltas()
        restored = started(successor)
        again = deltas_of(successor, count=2)
        successor.close()

        assert restored.state == {"kept": b"new", "large": large}
        assert restored.positions[0] == second_of_0.offset
        assert restored.ends[0] > second_of_0.offset
        assert sorted(record.payload for record in again) == [b"b", b"c"]

    def test_what_was_not_committed_is_read_again(self, two: Deployment, worker: FrameLog, merger: DeltaLog) -> None:
        """A merger that goes without a commit leaves nothing behind."""
        worker.commit([(0, b"a")], {0: Bookmark(offset=0)})
        started(merger)
        deltas_of(merger, count=1)
        merger.close()

        successor = two.deltas()
        restored = started(successor)
        found = deltas_of(successor, count=1)
        successor.close()

        assert restored.state == {}
        assert [record.payload for record in found] == [b"a"]

    def test_only_one_merger_is_at_work(self, two: Deployment, merger: DeltaLog) -> None:
        """Another one has to wait, and takes over when the first is closed."""
        started(merger)
        merger.commit([], [("key", b"value")], {})
        standby = two.deltas()

        waiting = standby.start()
        merger.close()
        restored = started(standby)
        standby.close()

        assert waiting is None
        assert restored.state == {"key": b"value"}

    def test_a_merger_may_start_again(self, merger: DeltaLog) -> None:
        """As after an aborted transaction: it reads what it committed, and can go on to commit."""
        started(merger)
        merger.commit([], [("key", b"1")], {})

        restored = started(merger)
        merger.commit([], [("key", b"2")], {})

        assert restored.state == {"key": b"1"}

    def test_deltas_of_a_partition_that_is_added_are_read(self, two: Deployment, merger: DeltaLog) -> None:
        """From its first offset, and it counts as a partition of the input."""
        started(merger)
        two.add_partition()
        worker, share = two.frames(), Share()
        read(worker, share, until=lambda: len(share.bookmarks) == 3)
        worker.commit([(2, b"new")], {2: Bookmark(offset=0)})

        found = deltas_of(merger, count=1)
        worker.close()

        assert [(record.partition, record.payload) for record in found] == [(2, b"new")]
        assert merger.partitions() == 3

    def test_closing_twice_is_closing(self, merger: DeltaLog) -> None:
        """The second close does nothing."""
        started(merger)

        merger.close()
        merger.close()


def _share_out(one: tuple[FrameLog, Share], other: tuple[FrameLog, Share]) -> None:
    """Poll two workers in turn until each has one partition."""
    limit_s = time.monotonic() + PATIENCE_S
    while not (len(one[1].bookmarks) == len(other[1].bookmarks) == 1):
        assert time.monotonic() < limit_s, f"shares are {one[1].bookmarks} and {other[1].bookmarks}"
        for log, share in (one, other):
            share.take(log.poll(POLL_S, share))
