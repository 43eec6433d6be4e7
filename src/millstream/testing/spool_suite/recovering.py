"""A spool that is opened again goes on where the ledger says that it ended."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from contextlib import closing

import pytest

from millstream.errors import SpoolDamagedError
from millstream.testing.spool_suite.store import OnAStore, OpenSpool, content, fill, sync


class Recovering(OnAStore):
    """Recover after a restart."""

    @pytest.mark.parametrize("segment_bytes", [1, 4, 100])
    def test_a_torn_tail_is_cut_at_any_byte(self, segment_bytes: int) -> None:
        """Wherever the ledger says the log ends, what came after is forgotten and the log goes on from there."""
        for end in range(11):
            with self.store() as open_spool:
                with closing(open_spool(segment_bytes=segment_bytes)) as spool:
                    fill(spool, "main", [b"012", b"3456", b"78", b"9"])
                with closing(open_spool(segment_bytes=segment_bytes)) as spool:
                    spool.recover("main", end)
                    start = spool.append("main", b"new")
                    sync(spool)

                    assert start == end
                    assert content(spool, "main", (0, end + 3)) == b"0123456789"[:end] + b"new"
                    assert spool.size_bytes() == end + 3

    def test_bytes_that_are_missing_at_recovery(self, open_spool: OpenSpool) -> None:
        """A log that holds less than the ledger accepted is an error that says so, not a shorter log."""
        with closing(open_spool(segment_bytes=4)) as spool:
            fill(spool, "main", [b"0123", b"4567"])
        with closing(open_spool(segment_bytes=4)) as spool:
            with pytest.raises(SpoolDamagedError, match=r"expected 9 bytes.*found 8 bytes"):
                spool.recover("main", 9)
            with pytest.raises(SpoolDamagedError, match=r"expected 1 bytes.*found 0 bytes"):
                spool.recover("never-written", 1)

            spool.recover("main", 8)

    def test_positions_outlive_a_restart(self, open_spool: OpenSpool) -> None:
        """After reopening, old positions read the same bytes and new pieces get the positions that follow."""
        end, ranges = 0, []
        for number in range(6):
            with closing(open_spool(segment_bytes=5)) as spool:
                spool.recover("main", end)
                start = spool.append("main", bytes([number]) * 3)
                sync(spool)
                ranges.append((start, start + 3))
                end += 3

                assert start == end - 3
                assert [content(spool, "main", one) for one in ranges] == [bytes([n]) * 3 for n in range(number + 1)]

    def test_recovering_before_every_sync(self, open_spool: OpenSpool) -> None:
        """What was appended but not synced before a recovery is forgotten with the rest."""
        with closing(open_spool(segment_bytes=4)) as spool:
            fill(spool, "main", [b"keep"])
            spool.append("main", b"lost")
            spool.recover("main", 4)
            spool.append("main", b"here")
            sync(spool)

            assert content(spool, "main", (0, 8)) == b"keephere"

    @pytest.mark.parametrize("segment_bytes", [4, 100])
    def test_a_log_that_is_not_recovered(self, open_spool: OpenSpool, segment_bytes: int) -> None:
        """A log whose end nobody recorded goes on behind everything that is there, and nothing is overwritten."""
        with closing(open_spool(segment_bytes=segment_bytes)) as spool:
            assert spool.append("copies", b"aaaa") == 0
            assert spool.append("copies", b"bb") == 4
            sync(spool)
        with closing(open_spool(segment_bytes=segment_bytes)) as spool:
            start = spool.append("copies", b"cccc")
            sync(spool)

            assert start == 6
            assert content(spool, "copies", (0, 10)) == b"aaaabbcccc"
