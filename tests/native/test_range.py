"""A file that the compiled scanner reads itself: the same strides as when blocks are read for it."""

import os
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.framefile.stored import StoredFile, look_at
from millstream.counting.files.stride import BlockFacts, Stride, read_stride
from millstream.counting.files.striding import stride_length
from millstream.errors import SourceError
from millstream.ports.framefile import BLOCK_BYTES
from native.pairing import native

native()
NativeScanner = import_module("millstream.counting.frames.native").NativeScanner
FRAME = b'{"uid":"u%d","ts":1468244384}'


def line(kind: int, length: int) -> bytes:
    """A frame, a broken one, a blank line, or a long one."""
    match kind:
        case 0:
            return FRAME % length
        case 1:
            return b"{" + b"x" * length
        case 2:
            return b" " * (length % 3)
        case _:
            return b'{"pad":"' + b"p" * length + b'","uid":"u","ts":1468244384}'


LINES = st.lists(
    st.builds(
        line,
        st.integers(0, 3),
        st.one_of(st.integers(0, 300), st.integers(BLOCK_BYTES - 200, BLOCK_BYTES + 200), st.just(5 * BLOCK_BYTES)),
    ),
    max_size=60,
)
FILES = st.builds(
    lambda mark, lines, end, close: mark + end.join(lines) + (end if close else b""),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    LINES,
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.booleans(),
)


class Blockwise:
    """The same scanner, which only scans what is read for it."""

    def __init__(self) -> None:
        scanner = NativeScanner()
        self.name = scanner.name
        self.scan_lines = scanner.scan_lines
        self.scan_values = scanner.scan_values
        self.scan_blocks = scanner.scan_blocks


def strides(
    path: Path, scanner: NativeScanner | Blockwise
) -> list[tuple[list[int], list[int], list[BlockFacts], bool]]:
    """All strides of a file, as plain values."""
    file, first, found = look_at(str(path)), 0, []
    while True:
        stride: Stride = read_stride(file, scanner, first=first)
        found.append((stride.times.tolist(), stride.users.tolist(), stride.blocks, stride.is_last))
        if stride.is_last:
            return found
        first += stride_length(first)


@given(data=FILES, repeats=st.sampled_from([1, 1, 40]))
@settings(max_examples=60)
def test_a_file_gives_the_same_strides(data: bytes, repeats: int) -> None:
    """Whatever lies on a border: long lines, blank ones, carriage returns, a byte order mark, no newline at the end."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frames.jsonl"
        path.write_bytes(data * repeats)

        assert strides(path, NativeScanner()) == strides(path, Blockwise())


def test_a_line_of_more_than_a_megabyte_is_read_in_the_other_way(tmp_path: Path) -> None:
    """It is found all the same."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(
        b"\n".join([FRAME % 1, b'{"pad":"' + b"p" * (3 << 20) + b'","uid":"u","ts":1468244384}', FRAME % 2])
    )
    file = look_at(str(path))

    assert (
        NativeScanner().scan_range(str(path), identity=_identity(file), size_bytes=file.size_bytes, first=0, count=1)
        is None
    )
    assert strides(path, NativeScanner()) == strides(path, Blockwise())


def test_only_the_bytes_that_the_file_had_are_read(tmp_path: Path) -> None:
    """A file that grows is counted as it was."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes(FRAME % 1)
    file = look_at(str(path))
    with path.open("ab") as end:
        end.write(b"7\n" + FRAME % 2)

    stride = read_stride(file, NativeScanner(), first=0)

    assert (stride.times.tolist(), stride.is_last) == ([1468244384], True)


@pytest.mark.parametrize("how", ["cut", "replaced"])
def test_a_file_that_is_not_what_it_was_is_noticed(how: str, tmp_path: Path) -> None:
    """Shorter, or another one: an error, and nothing is counted of it."""
    path = tmp_path / "frames.jsonl"
    path.write_bytes((FRAME % 1 + b"\n") * 10)
    file = look_at(str(path))
    if how == "cut":
        os.truncate(path, 20)
    else:
        (tmp_path / "other").write_bytes((FRAME % 1 + b"\n") * 10)
        (tmp_path / "other").rename(path)

    with pytest.raises(SourceError, match="when counting began"):
        read_stride(file, NativeScanner(), first=0)


def _identity(file: StoredFile) -> tuple[int, int]:
    assert file.identity is not None
    return file.identity
