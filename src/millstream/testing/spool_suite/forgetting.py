"""Space is given back in whole segments, and positions stay what they were."""

# ruff: noqa: S101 - a suite asserts

from contextlib import closing

import pytest

from millstream.testing.spool_suite.store import OnAStore, OpenSpool, content, fill, sync


class Forgetting(OnAStore):
    """Forget what nobody reads any more."""

    @pytest.mark.parametrize(
        ("before", "first_left"),
        [(0, 0), (3, 0), (4, 4), (7, 4), (8, 8), (11, 8), (12, 8), (1000, 8)],
    )
    def test_only_whole_segments_are_forgotten(self, open_spool: OpenSpool, before: int, first_left: int) -> None:
        """Segments that end at or before the position go, the one it lies in and the last one stay."""
        with closing(open_spool(segment_bytes=4)) as spool:
            end = fill(spool, "main", [b"aaaa", b"bbbb", b"cccc"])

            freed = spool.forget("main", before)

            assert freed == first_left
            assert spool.size_bytes() == end - first_left
            assert content(spool, "main", (first_left, end)) == b"aaaabbbbcccc"[first_left:]
            assert spool.append("main", b"more") == end

    def test_forgetting_in_a_log_that_was_never_written(self, open_spool: OpenSpool) -> None:
        """There is nothing to free."""
        with closing(open_spool(segment_bytes=4)) as spool:
            assert spool.forget("main", 100) == 0

    @pytest.mark.parametrize("end", range(8, 13))
    def test_recovery_after_forgetting(self, open_spool: OpenSpool, end: int) -> None:
        """A log whose beginning is forgotten recovers at every byte it still has, its very first one included."""
        with closing(open_spool(segment_bytes=4)) as spool:
            fill(spool, "main", [b"aaaa", b"bbbb", b"cccc"])
            spool.forget("main", 8)
        with closing(open_spool(segment_bytes=4)) as spool:
            spool.recover("main", end)
            start = spool.append("main", b"new")
            sync(spool)

            assert start == end
            assert content(spool, "main", (8, end + 3)) == b"cccc"[: end - 8] + b"new"
