"""What is appended is read, in any pieces; the end of a spool."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.errors import SpoolDamagedError
from millstream.testing.spool_suite.store import OnAStore, OpenSpool, content, fill, sync

MANY_BYTES = 1 << 20


class Appending(OnAStore):
    """Append, sync, read, close."""

    # One property for many spools: an example that failed with one of them is worth a try with all.
    @settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=20),
        syncs=st.sets(st.integers(0, 20)),
        segment_bytes=st.integers(1, 100),
    )
    def test_what_was_appended_re_joins(self, pieces: list[bytes], syncs: set[int], segment_bytes: int) -> None:
        """Whatever the sizes of pieces and segments, a log reads back as the pieces one after the other."""
        with self.store() as open_spool, closing(open_spool(segment_bytes=segment_bytes)) as spool:
            spool.recover("main", 0)
            ranges = []
            for number, piece in enumerate(pieces):
                start = spool.append("main", piece)
                ranges.append((start, start + len(piece)))
                if number in syncs:
                    sync(spool)
            sync(spool)
            whole = b"".join(pieces)

            assert content(spool, "main", (0, len(whole))) == whole
            assert [content(spool, "main", one) for one in ranges] == pieces
            assert content(spool, "main", *reversed(ranges)) == b"".join(reversed(pieces))
            assert spool.size_bytes() == len(whole)

    def test_pieces_read_are_at_most_a_mebibyte(self, open_spool: OpenSpool) -> None:
        """A long range comes in pieces of at most 1 MiB, so a reader needs no more memory than that."""
        with closing(open_spool(segment_bytes=2 * MANY_BYTES)) as spool:
            end = fill(spool, "main", [bytes(3 * MANY_BYTES), bytes(MANY_BYTES + 1)])

            sizes = [len(piece) for piece in spool.read("main", [(0, end)])]

            assert sum(sizes) == end
            assert max(sizes) <= MANY_BYTES

    def test_nothing_to_sync(self, open_spool: OpenSpool) -> None:
        """Syncing with nothing appended does nothing, before and after a recovery."""
        with closing(open_spool(segment_bytes=10)) as spool:
            sync(spool)
            spool.recover("main", 0)
            sync(spool)

            assert spool.append("main", b"first") == 0

    def test_an_empty_range_needs_nothing(self, open_spool: OpenSpool) -> None:
        """An empty range reads as nothing, wherever it is."""
        with closing(open_spool(segment_bytes=10)) as spool:
            fill(spool, "main", [b"0123456789"])

            assert content(spool, "main", (0, 0), (10, 10), (99, 99)) == b""

    def test_logs_are_apart(self, open_spool: OpenSpool) -> None:
        """Each log has positions of its own, and recovering or forgetting in one leaves the others alone."""
        with closing(open_spool(segment_bytes=4)) as spool:
            fill(spool, "main", [b"aaaa", b"bbbb"])
            fill(spool, "runs", [b"cccc", b"dddd"])
            spool.recover("main", 2)
            spool.forget("runs", 4)

            assert spool.append("main", b"xx") == 2
            assert spool.append("runs", b"yy") == 8
            sync(spool)
            assert content(spool, "main", (0, 4)) == b"aaxx"
            assert content(spool, "runs", (4, 10)) == b"ddddyy"

    def test_missing_bytes_are_an_error_of_the_reader(self, open_spool: OpenSpool) -> None:
        """Reading what is not there, behind the end or forgotten, raises and never yields less."""
        with closing(open_spool(segment_bytes=4)) as spool:
            fill(spool, "main", [b"aaaa", b"bbbb"])
            spool.forget("main", 4)

            for beyond in [(4, 9), (8, 9), (0, 4), (3, 5)]:
                with pytest.raises(SpoolDamagedError):
                    content(spool, "main", beyond)
            with pytest.raises(SpoolDamagedError):
                content(spool, "nowhere", (0, 1))

    def test_closing_is_idempotent(self, open_spool: OpenSpool) -> None:
        """A spool may be closed twice, used or not, and what was synced is there for the next one."""
        unused = open_spool(segment_bytes=4).close
        unused()
        unused()
        spool = open_spool(segment_bytes=4)
        fill(spool, "main", [b"aaaa"])
        spool.close()
        spool.close()

        with closing(open_spool(segment_bytes=4)) as reopened:
            reopened.recover("main", 4)
            assert content(reopened, "main", (0, 4)) == b"aaaa"
