"""The exact reader: `csv.reader`'s records, and the bytes of each."""

import csv
import gc
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.splitting.awkward import by_the_standard_library, csv_dialects, exact_rows, nasty_files
from millstream.core.splitting import DEFAULT_MAX_RECORD_BYTES, Dialect, ExactReader

piece_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=3)


@given(nasty_files, csv_dialects, piece_sizes)
@example(b'a\r\r\n"b\r\n""c"\r\n', Dialect(), [1])
@example(b'5" pipe,"x\ny"\n"open', Dialect(), [3])
def test_records_are_those_of_csv_reader_in_whatever_pieces_they_come(data, dialect, sizes):
    """Fed in any pieces, the exact reader gives what `csv.reader` makes of the file opened with newline=''."""
    dialect = replace(dialect, max_record_bytes=DEFAULT_MAX_RECORD_BYTES)

    rows = exact_rows(data, dialect=dialect, sizes=sizes)

    assert [row.fields for row in rows] == by_the_standard_library(data, dialect=dialect)


@given(nasty_files, csv_dialects, piece_sizes)
def test_ranges_are_exact(data, dialect, sizes):
    """The byte ranges join to the file, and each range alone holds its record and nothing else."""
    rows = exact_rows(data, dialect=dialect, sizes=sizes)

    assert [row.start for row in rows] == [0, *(row.end for row in rows)][: len(rows)]
    assert (rows[-1].end if rows else 0) == len(data)
    for row in rows:
        if not row.too_long:
            assert by_the_standard_library(data[row.start : row.end], dialect=dialect) == [row.fields]


@given(nasty_files, csv_dialects, piece_sizes, st.integers(1, 12))
def test_a_record_over_the_limit_is_passed_over_and_nothing_else(data, dialect, sizes, limit):
    """Records that are too long are told by their range; the others are what they are without a limit."""
    unlimited = exact_rows(data, dialect=replace(dialect, max_record_bytes=1000))

    rows = exact_rows(data, dialect=replace(dialect, max_record_bytes=limit), sizes=sizes)

    assert [(row.start, row.end) for row in rows] == [(row.start, row.end) for row in unlimited]
    for row, plain in zip(rows, unlimited, strict=True):
        assert row.too_long == (row.end - row.start > limit)
        assert row.too_long or row == plain


def test_a_record_over_the_limit_is_not_held():
    """While a record without end passes by, only the limit's worth of it is kept."""
    reader = ExactReader(Dialect(max_record_bytes=10_000))
    piece = b'a line, and "another\n' * 1000

    rows = reader.feed(b'first\n"')
    for _ in range(50):
        rows += reader.feed(piece.replace(b'"', b""))
        assert reader._held_bytes <= 10_001
    rows += reader.feed(b'"\nlast\n')

    assert [row.fields for row in rows] == [["first"], [], ["last"]]
    assert [row.too_long for row in rows] == [False, True, False]


def test_a_field_may_be_longer_than_the_field_limit_of_the_process():
    """A field of a megabyte is read although `csv` starts with a limit of 131,072 characters."""
    csv.field_size_limit(131_072)
    field = "x\n" * 500_000

    rows = exact_rows(f'"{field}",1\n'.encode(), dialect=Dialect(), sizes=(65_536,))

    assert [row.fields for row in rows] == [[field, "1"]]


@pytest.mark.parametrize(
    ("data", "unclosed"), [(b'a\n"b\n', True), (b'a\n"b"\n', False), (b'a\n"b"', False), (b'"', True)]
)
def test_a_quote_that_is_never_closed_is_told(data, unclosed):
    """The last record says whether the file ends inside its quotes; it is given as `csv.reader` gives it."""
    rows = exact_rows(data, dialect=Dialect())

    assert rows[-1].unclosed is unclosed
    assert [row.fields for row in rows] == by_the_standard_library(data, dialect=Dialect())


def test_memory_did_not_grow_with_every_chunk_that_was_read_exactly():
    """What was read is free at once: nothing of it is in a cycle that only the garbage collector would find."""
    gc.collect()
    gc.disable()
    try:
        rows = exact_rows(b'1,5" pipe\n' * 100, dialect=Dialect())
        assert len(rows) == 100
        del rows

        assert gc.collect() == 0
    finally:
        gc.enable()
