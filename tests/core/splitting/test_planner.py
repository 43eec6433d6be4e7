"""Plans: chunks join to the file, borders and numbers are exact, however the file comes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.splitting.awkward import csv_dialects, exact_rows, line_dialects, nasty_files, planned
from millstream.core.splitting import Chunk, Dialect, Format, Planned, Planner, Position
from millstream.core.splitting.csv_parity import CsvCutter
from millstream.errors import InvalidValueError

dialects = csv_dialects | line_dialects
chunk_sizes = st.integers(1, 60)
piece_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)


@given(nasty_files, dialects, chunk_sizes, piece_sizes)
def test_chunks_join_to_the_file(data, dialect, chunk_bytes, sizes):
    """Chunk follows chunk without a gap, in range, number and bytes; what has no bytes is one record too long."""
    chunks = planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes)

    assert all(before.chunk.after == after.chunk.before for before, after in pairwise(chunks))
    assert not chunks or chunks[0].chunk.before == Position(offset=0)
    for chunk, content in chunks:
        assert content == (b"" if chunk.too_long else data[chunk.start : chunk.end])
        assert not chunk.too_long or chunk.size_bytes > dialect.max_record_bytes


@given(nasty_files, csv_dialects, chunk_sizes, piece_sizes)
@example(b'5" pipe\n1,"x\ny"\n', Dialect(), 3, [2])
@example(b'a,"b"c\n"\n"\n', Dialect(), 1, [1])
@example(b'""\n""\n\n"""a"\n', Dialect(), 1, [1])
@example(b'"a""\n""b"\n', Dialect(), 1, [9])
@settings(max_examples=300)
def test_a_plan_of_a_csv_has_the_borders_and_numbers_of_the_exact_reader(data, dialect, chunk_bytes, sizes):
    """Every chunk ends where a record does, the first at which it is large enough, and counts what is in it."""
    rows = exact_rows(data, dialect=dialect)

    chunks = [chunk for chunk, _ in planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes)]

    expected: list[tuple[int, int, int, bool]] = []  # by the rule, from the records
    begin = records = 0
    for row in rows:
        if row.too_long and begin < row.start:
            expected.append((begin, row.start, records, False))
            begin, records = row.start, 0
        records += bool(row.fields) or row.too_long
        if row.too_long or row.end - begin >= chunk_bytes or row.end == len(data):
            expected.append((begin, row.end, records, row.too_long))
            begin, records = row.end, 0
    assert [(chunk.start, chunk.end, chunk.records, chunk.too_long) for chunk in chunks] == expected


@given(nasty_files, dialects, chunk_sizes, piece_sizes, st.integers(1, 50))
@example(b"aa\r", Dialect(), 1, [1], 2)
def test_a_plan_does_not_depend_on_how_the_file_is_read(data, dialect, chunk_bytes, sizes, slack_bytes):
    """Other pieces, another slack and reading every record exactly give the same plan."""
    whole = planned(data, dialect=dialect, chunk_bytes=chunk_bytes)

    assert planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes, slack_bytes=slack_bytes) == whole
    assert planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes, exact=True) == whole


@given(nasty_files, dialects, chunk_sizes, piece_sizes)
def test_a_plan_that_is_resumed_at_any_border_is_the_plan_undisturbed(data, dialect, chunk_bytes, sizes):
    """A new planner that is given nothing but a stored border plans the rest as the first one did."""
    chunks = planned(data, dialect=dialect, chunk_bytes=chunk_bytes)

    for index, (chunk, _) in enumerate(chunks):
        rest = planned(data, dialect=dialect, chunk_bytes=chunk_bytes, sizes=sizes, at=chunk.before)
        assert rest == chunks[index:]


@given(nasty_files, csv_dialects.filter(lambda dialect: dialect.max_record_bytes > 100))
@example(b'"a""b",""\r\n""\n', Dialect())
@example(b'"a"b,"\n"\n', Dialect())
@example(b'"a"b"\n"\n', Dialect())
@settings(max_examples=300)
def test_parity_is_either_right_or_silent(data, dialect):
    """Where the fast way gives a chunk, it is the exact one."""
    cut = CsvCutter(dialect).fast(data, start=0, chunk_bytes=1, final=True)

    if cut is not None:
        chunk = planned(data, dialect=dialect, chunk_bytes=1, exact=True)[0].chunk if data else None
        assert (cut.size, cut.records) == ((chunk.end, chunk.records) if chunk else (0, 0))


@pytest.mark.parametrize(
    "data",
    [
        b'1,"a ""quoted"" word\nand a line",3\n' * 100,
        b'"1","",""\r\n"2","x\r\ny",""\r\n' * 100,
        b"a,b\n\n\nc,d\n" * 100,
    ],
)
def test_files_that_are_well_formed_are_planned_the_fast_way(data):
    """Escaped quotes, quoted line ends, empty values, CRLF and blank lines do not need the exact reader."""
    cut = CsvCutter(Dialect()).fast(data, start=0, chunk_bytes=500, final=False)

    first = planned(data, dialect=Dialect(), chunk_bytes=500, exact=True)[0].chunk
    assert cut is not None
    assert (cut.size, cut.records) == (first.end, first.records)


def test_a_record_that_never_ends_is_one_rejected_chunk_and_is_not_held():
    """Behind a quote that is never closed, the planner keeps no more than a window and the longest record."""
    dialect = Dialect(max_record_bytes=5_000)
    planner = Planner(dialect, at=Position(offset=0), chunk_bytes=1_000, slack_bytes=1_000)

    chunks = planner.feed(b'first\nsecond\n"')
    for _ in range(100):
        chunks += planner.feed(b"line\n" * 200)
        assert planner._held_bytes <= 7_000 + 1_000
    chunks += planner.finish()

    assert [chunk for chunk, _ in chunks] == [
        Chunk(seq=0, start=0, end=13, first_record=0, records=2),
        Chunk(seq=1, start=13, end=100_014, first_record=2, records=1, too_long=True),
    ]
    assert chunks[1].data == b""


def test_a_record_of_fifty_megabytes_is_one_chunk_like_any_other():
    """A record far larger than a chunk is planned whole, with its neighbours before it and after it."""
    long = b'"' + b"quoted line\n" * 4_200_000 + b'",1\n'
    planner = Planner(Dialect(), at=Position(offset=0), chunk_bytes=1_000_000)

    chunks = planner.feed(b"a,b\n")
    for start in range(0, len(long), 8_000_000):
        chunks += planner.feed(long[start : start + 8_000_000])
    chunks += planner.feed(b"c,d\n")
    chunks += planner.finish()

    assert [(chunk.size_bytes, chunk.records) for chunk, _ in chunks] == [(4 + len(long), 2), (4, 1)]


def test_an_empty_file_has_no_chunks():
    """Nothing in, nothing out."""
    assert planned(b"", dialect=Dialect(), chunk_bytes=1) == []


def test_many_small_chunks_come_from_one_piece():
    """Chunks far smaller than a piece are all given, in order."""
    data = b"".join(b'%d,"x\n"\n' % number for number in range(20_000))

    chunks = planned(data, dialect=Dialect(), chunk_bytes=1, sizes=(50_000,), slack_bytes=65_536)

    assert [chunk.first_record for chunk, _ in chunks] == list(range(20_000))
    assert all(isinstance(chunk, Planned) and chunk.chunk.records == 1 for chunk in chunks)


@pytest.mark.parametrize("wrong", [{"chunk_bytes": 0}, {"slack_bytes": 0}])
def test_sizes_below_one_are_refused(wrong):
    """A chunk of no bytes would have no end."""
    with pytest.raises(InvalidValueError, match="expected 1 or more, found 0"):
        Planner(replace(Dialect(), format=Format.LINES), at=Position(offset=0), **wrong)
