"""What every log of deltas must do."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from collections.abc import Iterator

import pytest

from millstream.ports.framelog import Bookmark, DeltaLog, FrameLog, Restored
from millstream.testing.framelog_suite.deployment import Deployment, Share, Suite, deltas_of, read, started

LARGE_BYTES = 900_000


class DeltaLogSuite(Suite):
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
        assert merger.look()
        assert merger.partitions() == 3

    def test_who_looks_finds_a_partition_that_was_just_added(self, two: Deployment, merger: DeltaLog) -> None:
        """A window may end because of frames that were written after it was added, so it must be seen before."""
        started(merger)
        before = merger.partitions()
        two.add_partition()

        assert merger.look()
        assert (before, merger.partitions()) == (2, 3)

    def test_closing_twice_is_closing(self, merger: DeltaLog) -> None:
        """The second close does nothing."""
        started(merger)

        merger.close()
        merger.close()
