"""Files of lines: ranges without a plan, blank lines, numbers."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from core.splitting.awkward import in_pieces, line_dialects, nasty_files, planned
from millstream.core.splitting import Dialect, Format, owned_lines

piece_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)


def lines_of(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1].removesuffix(b"\n")
    return [line for line in lines if line]


def owned(data: bytes, *, start: int, end: int, sizes: list[int]) -> bytes:
    return b"".join(owned_lines(in_pieces(data[max(start - 1, 0) :], sizes=sizes), start=start, end=end))


@given(nasty_files, st.lists(st.integers(0, 80)), piece_sizes)
@example(b"a\nb\n", [2], [1])
@example(b"a\nb", [1], [1])
def test_every_line_belongs_to_the_range_in_which_it_starts(data, borders, sizes):
    """Ranges that cover a file hold each line once, in order, wherever the borders fall."""
    borders = sorted({0, *(border for border in borders if border < len(data)), len(data)})

    ranges = [owned(data, start=start, end=end, sizes=sizes) for start, end in pairwise(borders)]

    assert b"".join(ranges) == data
    starts = [sum(map(len, lines_of(data)[:index])) for index in range(len(lines_of(data)))]
    for content, (start, end) in zip(ranges, pairwise(borders), strict=True):
        assert lines_of(content) == [line for line, at in zip(lines_of(data), starts, strict=True) if start <= at < end]


def test_no_piece_is_taken_beyond_the_last_line_of_a_range():
    """A worker stops to read as soon as its last line ends."""
    pieces = iter([b"one\ntwo\nthr", b"ee\nfour\n", b"five\n"])

    content = b"".join(owned_lines(pieces, start=0, end=9))

    assert content == b"one\ntwo\nthree\n"
    assert list(pieces) == [b"five\n"]


def test_an_empty_range_takes_nothing():
    """A range without bytes owns no line."""
    pieces = iter([b"a\n"])

    assert list(owned_lines(pieces, start=3, end=3)) == []
    assert list(pieces) == [b"a\n"]


@given(nasty_files, line_dialects, st.integers(1, 40), piece_sizes)
def test_a_plan_of_lines_counts_lines(data, dialect, chunk_bytes, sizes):
    """Each chunk is whole lines, at least so many bytes, and as many records as lines that are not blank."""
    for chunk, _ in planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes):
        lines = lines_of(data[chunk.start : chunk.end])
        filled = [line for line in lines if dialect.format is Format.LINES or line.strip(b"\r\n")]
        assert data[chunk.start - 1 : chunk.start] in {b"", b"\n"}
        assert chunk.records == len(filled)
        assert chunk.too_long == (max(map(len, lines)) > dialect.max_record_bytes)
        assert len(b"".join(lines[:-1])) < chunk_bytes


def test_a_blank_line_is_a_record_of_plain_lines_and_none_of_jsonl():
    """Plain lines keep their numbers; JSONL leaves blank lines out."""
    data = b"{}\n\n\r\n{}\n"

    (text, _), (objects, _) = (
        planned(data, dialect=Dialect(format=kind), chunk_bytes=100)[0] for kind in (Format.LINES, Format.JSONL)
    )

    assert (text.records, objects.records) == (4, 2)
