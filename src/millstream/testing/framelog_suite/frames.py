"""What every log of frames must do."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from collections.abc import Iterator
from contextlib import suppress

import pytest

from millstream.errors import FencedError, TransactionAbortedError
from millstream.ports.framelog import NOTE_LIMIT, Bookmark, DeadLetter, FrameLog
from millstream.testing.framelog_suite.deployment import (
    POLL_S,
    Deployment,
    Share,
    Suite,
    deltas_of,
    read,
    share_out,
    started,
)


class FrameLogSuite(Suite):
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
        share_out((first, share), (second, other))
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

        share_out((first, share), (second, other))

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
        share_out((first, share), (second, other))

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
