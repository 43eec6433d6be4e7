"""Files of frames: blocks are those that a brute-force cut gives, however the file is stored and read."""

import gzip
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.framefile import FramePipe, StoredFile, look_at
from millstream.adapters.framefile.cutting import Cutter
from millstream.errors import SourceError
from millstream.ports.framefile import BLOCK_BYTES

zstandard = pytest.importorskip("zstandard")

LENGTHS = st.sampled_from([0, 1, 40, 300, 2_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])


def by_block(data: bytes) -> dict[int, tuple[int, bytes]]:
    """The blocks that hold something: where their first line starts, and their lines."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    blocks: dict[int, tuple[int, bytes]] = {}
    for line in data[at:].splitlines(keepends=True):
        start, lines = blocks.get(at // BLOCK_BYTES, (at, b""))
        blocks[at // BLOCK_BYTES] = (start, lines + line)
        at += len(line)
    return blocks


def read_all(file: StoredFile, *, count: int) -> tuple[dict[int, tuple[int, bytes]], str | None]:
    """All blocks that hold something, read `count` at a time, and the damage."""
    found: dict[int, tuple[int, bytes]] = {}
    first = 0
    while True:
        portion = file.read(first, count=count)
        for number, block in enumerate(portion.blocks, start=first):
            if block.data:
                found[number] = (block.start, block.data)
        if portion.is_last:
            return found, portion.damage
        assert len(portion.blocks) == count
        first += count


def store(folder: Path, data: bytes, *, kind: str) -> str:
    """Store `data` as two members of a file of that kind; returns its path."""
    path = folder / f"frames.jsonl{kind}"
    half = len(data) // 2
    pack = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor(write_checksum=True).compress}.get(kind, bytes)
    path.write_bytes(pack(data[:half]) + pack(data[half:]))
    return str(path)


def lines(lengths: list[int], *, ends: bool, mark: bool) -> bytes:
    """Lines of these lengths."""
    data = b"".join(bytes([97 + number % 26]) * length + b"\n" for number, length in enumerate(lengths))
    return (b"\xef\xbb\xbf" if mark else b"") + (data if ends else data[:-1])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(LENGTHS, max_size=12),
    ends=st.booleans(),
    mark=st.booleans(),
    count=st.sampled_from([1, 2, 64]),
    kind=st.sampled_from(["", ".gz", ".zst"]),
)
def test_blocks_are_the_lines_that_start_in_them(
    tmp_path_factory: pytest.TempPathFactory, *, lengths: list[int], ends: bool, mark: bool, count: int, kind: str
) -> None:
    """Plain, gzip or Zstandard, one block at a time or many: each line is in the block of its first byte."""
    data = lines(lengths, ends=ends, mark=mark)
    path = store(tmp_path_factory.mktemp("files"), data, kind=kind)

    found, damage = read_all(look_at(path), count=count)

    assert found == by_block(data)
    assert damage is None


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(LENGTHS, max_size=8), ends=st.booleans(), seed=st.integers(0, 99))
def test_a_pipe_has_the_blocks_of_the_file(lengths: list[int], ends: bool, seed: int) -> None:
    """However the bytes of a pipe come in, its blocks are those of a file, with parts of them joined."""
    data, draw = lines(lengths, ends=ends, mark=False), random.Random(seed)
    cutter, at = Cutter(), 0
    found: dict[int, bytes] = {}
    while not cutter.is_exhausted:
        number, block = cutter.number, cutter.cut()
        if block is not None:
            found[number] = found.get(number, b"") + block.data
        elif at == len(data):
            cutter.finish()
        else:
            found[number] = found.get(number, b"") + cutter.lines_so_far().data
            step = draw.choice([1, 100, BLOCK_BYTES, 1 << 20])
            cutter.feed(data[at : at + step])
            at = min(at + step, len(data))

    assert {number: block for number, block in found.items() if block} == {
        number: block for number, (_, block) in by_block(data).items()
    }


def test_any_block_of_a_plain_file_can_be_read_by_itself(tmp_path: Path) -> None:
    """A range begins with the first line that starts in it, wherever the line before ends."""
    data = lines([300] * 1_000 + [200_000] + [300] * 1_000, ends=True, mark=False)
    file = look_at(store(tmp_path, data, kind=""))
    blocks = by_block(data)

    for number in range(len(data) // BLOCK_BYTES + 1):
        (block,) = file.read(number, count=1).blocks
        assert block.data == blocks.get(number, (0, b""))[1]


def test_a_stream_goes_back_when_it_has_to(tmp_path: Path) -> None:
    """A block of a compressed file that was passed can be read again."""
    data = lines([300] * 2_000, ends=True, mark=False)
    file = look_at(store(tmp_path, data, kind=".gz"))
    late = file.read(5, count=1).blocks[0]

    early = file.read(2, count=1).blocks[0]

    assert (early.data, late.data) == (by_block(data)[2][1], by_block(data)[5][1])


def test_a_line_that_is_too_long_is_cut_short_and_skipped() -> None:
    """Memory is bounded by the longest line; what follows a longer one has its right place."""
    cutter = Cutter(longest_line_bytes=100_000)
    data = b"before\n" + b"x" * 400_000 + b"\nafter\n"
    blocks = []
    for start in range(0, len(data), 10_000):
        cutter.feed(data[start : start + 10_000])
        while (block := cutter.cut()) is not None and cutter.number < 100:
            blocks.append(block)
    cutter.finish()
    blocks.append(cutter.cut())

    assert blocks[0].data == b"before\n" + b"x" * 100_001
    assert [(block.start, block.data) for block in blocks[1:] if block and block.data] == [(400_008, b"after\n")]


@pytest.mark.parametrize("kind", [".gz", ".zst"])
@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "behind"])
def test_a_damaged_file_is_read_as_far_as_possible(tmp_path: Path, kind: str, harm: str) -> None:
    """What comes before the damage is there, whole lines and all, and the damage is told."""
    data = os.urandom(400_000).hex().encode() + b"\n"
    path = Path(store(tmp_path, data, kind=kind))
    packed = path.read_bytes()
    middle = len(packed) // 2
    harmed = {
        "cut": packed[: middle + 1_000],
        "flip": packed[:middle] + bytes(64) + packed[middle + 64 :],
        "empty": b"",
        "behind": packed + b"no such data",
    }[harm]
    path.write_bytes(harmed)

    found, damage = read_all(look_at(str(path)), count=64)

    assert damage is not None
    assert "expected" in damage
    readable = b"".join(block for _, block in found.values())
    least = {"cut": 350_000, "flip": 250_000, "empty": 0, "behind": len(data)}[harm]
    assert readable[:least] == data[:least]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, a device: one line each that says what to do."""
    for path, text in ((tmp_path / "none", "No such file"), (tmp_path, "found a folder"), (Path("/dev/null"), "`-`")):
        with pytest.raises(SourceError, match=text):
            look_at(str(path))


def test_a_file_that_is_replaced_meanwhile_is_noticed(tmp_path: Path) -> None:
    """Blocks of two files are never mixed; a file that only grows is read as it was."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"a\n" * 100_000)
    file = look_at(str(path))
    with path.open("ab") as more:
        more.write(b"b\n")
    assert read_all(file, count=2)[0] == by_block(b"a\n" * 100_000)

    other = tmp_path / "other"
    other.write_bytes(b"c\n" * 200_000)
    other.replace(path)

    with pytest.raises(SourceError, match="another file"):
        file.read(0, count=1)


def test_a_pipe_hands_out_what_there_is_when_nothing_comes() -> None:
    """Lines that are whole do not wait for the block to fill; half a line does."""
    reading, writing = os.pipe()
    pipe = FramePipe(reading)
    os.write(writing, b"one\ntwo\nthr")

    piece = pipe.next(quiet_s=0.0)
    while not piece.block.data:
        piece = pipe.next(quiet_s=0.0)
    os.write(writing, b"ee\n")
    os.close(writing)
    rest = pipe.next(quiet_s=5.0)

    assert (piece.block.data, piece.ends_block) == (b"one\ntwo\n", False)
    assert (rest.block.start, rest.block.data, rest.ends_block) == (8, b"three\n", True)
    assert pipe.next(quiet_s=5.0).is_last
    os.close(reading)


def test_a_pipe_can_be_woken() -> None:
    """Somebody who wants to stop does not wait for input."""
    reading, writing = os.pipe()
    wakes, wake = os.pipe()
    pipe = FramePipe(reading, wake=wakes)
    waker = threading.Thread(target=os.write, args=(wake, b"!"))
    waker.start()

    piece = pipe.next(quiet_s=60.0)

    waker.join()
    assert piece.is_quiet
    for descriptor in (reading, writing, wakes, wake):
        os.close(descriptor)
