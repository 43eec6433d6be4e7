"""The spool on a local disk: it is a spool, and it survives torn files, full disks and failing ones."""

import asyncio
import errno
import os
import resource
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from adapters import child
from millstream.adapters.spool import SegmentSpool, segment_bases, segment_path
from millstream.errors import SpoolDamagedError
from millstream.testing.spool_suite import OpenSpool, SpoolSuite, content, fill, sync

TIMEOUT_S = 30


class TestSegmentSpool(SpoolSuite):
    """It is a spool."""

    @contextmanager
    def store(self) -> Iterator[OpenSpool]:
        """A folder."""
        with tempfile.TemporaryDirectory() as folder:
            yield lambda *, segment_bytes: SegmentSpool(Path(folder), segment_bytes=segment_bytes)


@pytest.fixture
def three_segments(tmp_path: Path) -> Path:
    """The folder of a log of three segments with four bytes each, no spool open."""
    with closing(SegmentSpool(tmp_path, segment_bytes=4)) as spool:
        fill(spool, "main", [b"aaaa", b"bbbb", b"cccc"])
    return tmp_path / "main"


# --- damage -----------------------------------------------------------------------------------------------------


def test_segments_are_named_by_position(three_segments: Path) -> None:
    """The names of the files alone say where each byte is."""
    assert segment_bases(three_segments) == [0, 4, 8]
    assert segment_path(three_segments, 4).read_bytes() == b"bbbb"


@pytest.mark.parametrize("torn", [b"", b"half a rec", b"\0" * 5000])
def test_a_torn_tail_on_disk_is_cut_off(three_segments: Path, torn: bytes) -> None:
    """Whatever a crash left behind the accepted bytes, in the last segment or in a new one, is gone afterwards."""
    with segment_path(three_segments, 8).open("ab") as last:
        last.write(torn)
    segment_path(three_segments, 8 + 4 + len(torn)).write_bytes(torn)

    with closing(SegmentSpool(three_segments.parent, segment_bytes=4)) as spool:
        spool.recover("main", 12)
        spool.append("main", b"dddd")
        sync(spool)

        assert content(spool, "main", (0, 16)) == b"aaaabbbbccccdddd"
        assert spool.size_bytes() == 16


@pytest.mark.parametrize(("base", "found"), [(4, 7), (8, 11)])
def test_a_segment_that_lost_bytes(three_segments: Path, base: int, found: int) -> None:
    """A segment that is too short is found at recovery, wherever it is."""
    os.truncate(segment_path(three_segments, base), 3)

    with closing(SegmentSpool(three_segments.parent)) as spool:
        with pytest.raises(SpoolDamagedError, match=f"expected 12 bytes in all, found {found}"):
            spool.recover("main", 12)
        with pytest.raises(SpoolDamagedError, match=f"nothing at {found}"):
            content(spool, "main", (0, 12))


@pytest.mark.parametrize("base", [4, 8])
def test_a_segment_that_disappeared(three_segments: Path, base: int) -> None:
    """A missing segment is found at recovery, and by whoever reads it."""
    segment_path(three_segments, base).unlink()

    with closing(SegmentSpool(three_segments.parent)) as spool:
        with pytest.raises(SpoolDamagedError, match=f"found {base} bytes"):
            spool.recover("main", 12)
        with pytest.raises(SpoolDamagedError, match=f"nothing at {base}"):
            content(spool, "main", (2, 12))


def test_an_empty_segment_ends_a_reader(three_segments: Path) -> None:
    """A segment that holds nothing is an error of the reader, not a reader that never ends."""
    os.truncate(segment_path(three_segments, 8), 0)

    with closing(SegmentSpool(three_segments.parent)) as spool, pytest.raises(SpoolDamagedError, match="nothing at 8"):
        content(spool, "main", (0, 12))


# --- syncs that are cancelled or fail ---------------------------------------------------------------------------


def test_what_is_appended_while_a_cancelled_sync_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that was cancelled while the disk was busy does not take bytes with it that came later."""
    busy, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slow_fsync(descriptor: int) -> None:
        busy.set()
        go_on.wait(TIMEOUT_S)
        fsync(descriptor)

    async def cancel_in_the_middle(spool: SegmentSpool) -> None:
        spool.append("main", b"first")
        syncing = asyncio.ensure_future(spool.sync())
        await asyncio.to_thread(busy.wait, TIMEOUT_S)
        syncing.cancel()
        spool.append("main", b"second")
        again = asyncio.ensure_future(spool.sync())
        await asyncio.sleep(0)
        go_on.set()
        await again

    with closing(SegmentSpool(tmp_path)) as spool:
        fill(spool, "main", [b"a segment to write to;"])
        monkeypatch.setattr("millstream.adapters.spool.os.fsync", slow_fsync)
        asyncio.run(cancel_in_the_middle(spool))

        assert content(spool, "main", (22, 33)) == b"firstsecond"


def test_a_failed_sync_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After fsync failed the kernel may have dropped what was written, so the next sync writes all of it again."""
    fsync, failures = os.fsync, [OSError(errno.EIO, "the disk failed")]

    def fail_once(descriptor: int) -> None:
        if failures:
            os.ftruncate(descriptor, 4)  # the kernel drops what it could not write
            raise failures.pop()
        fsync(descriptor)

    with closing(SegmentSpool(tmp_path, segment_bytes=100)) as spool:
        fill(spool, "main", [b"safe"])
        spool.append("main", b"risk")
        monkeypatch.setattr("millstream.adapters.spool.os.fsync", fail_once)
        with pytest.raises(OSError, match="the disk failed"):
            sync(spool)
        spool.append("main", b"more")
        sync(spool)

        assert content(spool, "main", (0, 12)) == b"saferiskmore"


def fill_until_full(folder: Path, *, error: int, make_room: Callable[[], object]) -> None:
    """Append until the disk is full, make room, and check that nothing was lost and all goes on."""
    whole, failures = b"", list[int | None]()
    with closing(SegmentSpool(folder / "spool", segment_bytes=50_000)) as spool:
        spool.recover("main", 0)
        while len(failures) < 3:
            piece = os.urandom(30_000)
            spool.append("main", piece)
            whole += piece
            try:
                sync(spool)
            except OSError as failure:
                failures.append(failure.errno)
        make_room()
        sync(spool)

        assert failures == [error] * 3
        assert content(spool, "main", (0, len(whole))) == whole
    with closing(SegmentSpool(folder / "spool", segment_bytes=50_000)) as spool:
        spool.recover("main", len(whole))
        assert content(spool, "main", (0, len(whole))) == whole


def fill_a_disk(folder: Path) -> None:
    """Fill the disk that `folder` is, then delete something else that is on it."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(500_000))
    fill_until_full(folder, error=errno.ENOSPC, make_room=ballast.unlink)


def fill_a_segment(folder: Path) -> None:
    """Write until a file may not grow any more, then let it."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    fill_until_full(
        folder, error=errno.EFBIG, make_room=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    )


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """On a disk without room a sync fails; once there is room the next one has everything on disk."""
    child.run_on_a_small_disk(fill_a_disk, folder=tmp_path, size_bytes=1_000_000)


def test_a_file_that_cannot_grow_loses_nothing(tmp_path: Path) -> None:
    """The same where no disk can be mounted: in the middle of a piece the file may not grow, and then it may."""
    child.run(fill_a_segment, folder=tmp_path)
