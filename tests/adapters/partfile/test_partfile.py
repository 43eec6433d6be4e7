"""Part files and the files they are joined into: what is refused, and what a full disk does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.child import run_on_a_small_disk
from millstream.adapters.partfile import EventMark, JoinedFolder, PartFolder, Receipt
from millstream.errors import InvalidValueError, OutputDamagedError, SinkUnavailableError
from millstream.testing.sink_suite import MESSAGE_ID, begun, publication, publish


@given(
    seq=st.integers(0, 10**7), fence=st.integers(0, 10**9), size=st.integers(0, 10**12), crc=st.integers(0, 2**32 - 1)
)
def test_a_receipt_can_be_read_again(seq: int, fence: int, size: int, crc: int) -> None:
    """The ledger keeps it as text."""
    receipt = Receipt(part=f"{seq:06d}.{fence}", size_bytes=size, crc32=crc)

    assert Receipt.parse(str(receipt)) == receipt


@pytest.mark.parametrize(
    "text", ["", "000001.1 5", "../../etc.1 5 00000000", "000001.1 5 0000000g", "/000001.1 5 00000000"]
)
def test_what_is_no_receipt_is_refused(text: str) -> None:
    """It becomes part of a path, so nothing else is let in."""
    with pytest.raises(InvalidValueError, match="receipt: expected"):
        Receipt.parse(text)


@pytest.mark.parametrize("message_id", ["", "..", "a/b", "../a", "a" * 65, "a\n", ".parts", "ä"])
def test_what_is_no_message_id_is_refused(tmp_path: Path, message_id: str) -> None:
    """It becomes part of a path, too."""
    folder = JoinedFolder(tmp_path)
    with pytest.raises(InvalidValueError, match="message id: expected"):
        folder.append(message_id, receipts=[], at=0)
    with pytest.raises(InvalidValueError, match="message id: expected"):
        folder.finish(message_id, size_bytes=0)
    folder.close()

    assert [path.name for path in tmp_path.iterdir()] == [".parts"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With the reason, and what to do."""
    (tmp_path / "out").write_text("a file")
    sink = PartFolder(tmp_path / "out")
    with pytest.raises(SinkUnavailableError, match="make room, or mend its permissions"):
        sink.check()
    with pytest.raises(SinkUnavailableError, match="make room, or mend its permissions"):
        sink.open(publication())


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    """Whether a file can be made is found out by making one, which is removed."""
    PartFolder(tmp_path / "out").check()

    assert list((tmp_path / "out" / ".parts").iterdir()) == []


def test_aborted_attempts_leave_nothing(tmp_path: Path) -> None:
    """The part of an attempt that was given up is gone at once, that of one that died with the next attempt."""
    sink = PartFolder(tmp_path)
    parts = tmp_path / ".parts" / MESSAGE_ID
    begun(sink, publication()).abort()
    assert list(parts.iterdir()) == []
    begun(sink, publication(attempt=2))
    begun(sink, publication(seq=1))
    publish(sink, publication(attempt=3))

    assert sorted(path.name for path in parts.iterdir()) == ["000000.3", "000001.1"]


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    """Rather than making another one that is not whole."""
    folder = JoinedFolder(tmp_path)
    with pytest.raises(OutputDamagedError, match=r"expected 10 bytes, found no such file"):
        folder.finish("m", size_bytes=10)
    with pytest.raises(OutputDamagedError, match=r"expected 10 bytes, found no such file"):
        folder.append("m", receipts=[], at=10)
    folder.close()


def test_a_mark_is_remembered(tmp_path: Path) -> None:
    """0 at first, and where it cannot be read."""
    mark = EventMark(tmp_path / "mark")
    assert mark.read() == 0
    mark.write(17)
    assert EventMark(tmp_path / "mark").read() == 17
    (tmp_path / "mark").write_text("what?")

    assert mark.read() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mark"]


def fill_the_disk(folder: Path) -> None:
    """On a disk of one megabyte: write parts until it is full, make room, and go on."""
    ballast = folder / "ballast"
    ballast.write_bytes(b"x" * 400_000)
    sink = PartFolder(folder / "out")
    first = publish(sink, publication(), records=500)
    writer = sink.open(publication(seq=1))
    with pytest.raises(SinkUnavailableError, match="No space left"):
        writer.write(b"x" * 900_000, numbers=range(1))
    assert [path.name for path in (folder / "out" / ".parts" / MESSAGE_ID).iterdir()] == ["000000.1"]
    (folder / "more").write_bytes(b"x" * 350_000)
    joined = JoinedFolder(folder / "out")
    with pytest.raises(OSError, match="No space left"):
        joined.append(MESSAGE_ID, receipts=[first.receipt] * 3, at=0)
    ballast.unlink()
    assert joined.append(MESSAGE_ID, receipts=[first.receipt], at=0) == (1, first.out_bytes)
    joined.finish(MESSAGE_ID, size_bytes=first.out_bytes)
    assert (folder / "out" / f"{MESSAGE_ID}.jsonl").stat().st_size == first.out_bytes


@pytest.mark.slow
def test_a_full_disk_is_told_and_nothing_is_torn(tmp_path: Path) -> None:
    """The attempt fails and leaves nothing; when there is room, everything goes on."""
    run_on_a_small_disk(fill_the_disk, folder=tmp_path, size_bytes=1_000_000)
