"""Several at once: readers beside the writer, and what is appended while a sync runs."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its numbers are examples

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from millstream.ports import Spool
from millstream.testing.spool_suite.store import OnAStore, OpenSpool, content, fill, sync


class Sharing(OnAStore):
    """Read, append and sync at the same time."""

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
