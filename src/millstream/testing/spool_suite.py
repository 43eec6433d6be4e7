"""What every spool must do, as pytest tests: a spool of yours is right when a subclass of `SpoolSuite` passes.

    class TestMySpool(SpoolSuite):
        @contextmanager
        def store(self):
            with TemporaryDirectory() as folder:
                yield lambda *, segment_bytes: MySpool(folder, segment_bytes=segment_bytes)

The suite needs pytest and Hypothesis. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.spool_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.errors import SpoolDamagedError
from millstream.ports import Spool

MANY_BYTES = 1 << 20


class OpenSpool(Protocol):
    """Opens the spool of a store, as a new process would: what an earlier one did not sync may be gone."""

    def __call__(self, *, segment_bytes: int) -> Spool:
        """Open it; a new segment begins with the first piece that starts `segment_bytes` or more after the last."""
        ...


def sync(spool: Spool) -> None:
    """Sync from a synchronous test."""
    asyncio.run(spool.sync())


def content(spool: Spool, log: str, *ranges: tuple[int, int]) -> bytes:
    """What `read` yields for `ranges`, joined."""
    return b"".join(spool.read(log, ranges))


def fill(spool: Spool, log: str, pieces: Sequence[bytes]) -> int:
    """Recover an empty log, append and sync the pieces; returns its end."""
    spool.recover(log, 0)
    for piece in pieces:
        spool.append(log, piece)
    sync(spool)
    return sum(map(len, pieces))


class SpoolSuite:
    """The conformance suite of ports.Spool; override `store`."""

    def store(self) -> AbstractContextManager[OpenSpool]:
        """A new and empty store; every spool that is opened on it within the `with` finds what earlier ones synced."""
        raise NotImplementedError

    @pytest.fixture
    def open_spool(self) -> Iterator[OpenSpool]:
        """The store of a test that needs only one."""
        with self.store() as open_spool:
            yield open_spool

    # --- append, sync, read ---------------------------------------------------------------------------------------

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

    # --- at once --------------------------------------------------------------------------------------------------

    def test_reading_while_appending(self, open_spool: OpenSpool) -> None:
        """A reader in another thread sees every synced byte, however much is appended meanwhile."""
        pieces = [bytes([number]) * (number % 7 + 1) for number in range(120)]
        with closing(open_spool(segment_bytes=16)) as spool, ThreadPoolExecutor() as readers:
            spool.recover("main", 0)
            seen = []
            for number, piece in enumerate(pieces):
                end = spool.append("main", piece) + len(piece)
                if number % 4 == 3:
                    sync(spool)
                    seen.append((end, readers.submit(content, spool, "main", (0, end))))

            whole = b"".join(pieces)
            assert all(read.result(timeout=30) == whole[:end] for end, read in seen)

    def test_a_reader_is_not_disturbed(self, open_spool: OpenSpool) -> None:
        """Who has begun to read a range goes on to its end while the log grows by new segments."""
        with closing(open_spool(segment_bytes=4)) as spool:
            end = fill(spool, "main", [b"aaaa", b"bbbb", b"cccc"])
            reading = spool.read("main", [(0, end)])
            first = next(reading)
            spool.append("main", b"dddd")
            spool.append("main", b"eeee")
            sync(spool)

            assert first + b"".join(reading) == b"aaaabbbbcccc"

    def test_a_sync_covers_what_was_appended_before(self, open_spool: OpenSpool) -> None:
        """What is appended while a sync runs is taken by that sync or by the next one, once and in order."""

        async def append_and_sync(spool: Spool) -> None:
            for number in range(0, 50, 2):
                spool.append("main", bytes([number]))
                syncing = asyncio.ensure_future(spool.sync())
                await asyncio.sleep(0)
                spool.append("main", bytes([number + 1]))
                await syncing
                assert content(spool, "main", (0, number + 1)) == bytes(range(number + 1))
            await spool.sync()

        with closing(open_spool(segment_bytes=8)) as spool:
            spool.recover("main", 0)
            asyncio.run(append_and_sync(spool))

            assert content(spool, "main", (0, 50)) == bytes(range(50))

    def test_a_cancelled_sync_loses_nothing(self, open_spool: OpenSpool) -> None:
        """After a sync was cancelled, the next one has everything on disk."""

        async def cancel_and_sync(spool: Spool) -> None:
            for number in range(50):
                spool.append("main", bytes([number]))
                syncing = asyncio.ensure_future(spool.sync())
                await asyncio.sleep(0)
                syncing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await syncing
            await spool.sync()

        with closing(open_spool(segment_bytes=8)) as spool:
            spool.recover("main", 0)
            asyncio.run(cancel_and_sync(spool))

            assert content(spool, "main", (0, 50)) == bytes(range(50))

    # --- recovery -------------------------------------------------------------------------------------------------

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

    # --- forgetting -----------------------------------------------------------------------------------------------

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

    # --- the end --------------------------------------------------------------------------------------------------

    def test_closing_is_idempotent(self, open_spool: OpenSpool) -> None:
        """A spool may be closed twice, used or not, and what was synced is there for the next one."""
        unused: Callable[[], None] = open_spool(segment_bytes=4).close
        unused()
        unused()
        spool = open_spool(segment_bytes=4)
        fill(spool, "main", [b"aaaa"])
        spool.close()
        spool.close()

        with closing(open_spool(segment_bytes=4)) as reopened:
            reopened.recover("main", 4)
            assert content(reopened, "main", (0, 4)) == b"aaaa"
