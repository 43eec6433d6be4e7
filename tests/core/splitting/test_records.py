"""The records of chunks: the same as of the whole file; malformed ones by policy; verdicts and repair."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.splitting.awkward import (
    by_the_standard_library,
    csv_dialects,
    exact_rows,
    line_dialects,
    nasty_files,
    planned,
)
from millstream.core.splitting import (
    Agreed,
    Chunk,
    CsvRecords,
    Dialect,
    Disagreed,
    Format,
    Head,
    LineRecords,
    Planned,
    Policy,
    Position,
    read_chunk,
    read_head,
    verify_chunk,
)

policies = st.sampled_from(list(Policy))


def head(width: int = 1) -> Head:
    return Head(names=tuple(f"column_{place}" for place in range(width)), start=0, fingerprint="")


def read_all(chunks: list[Planned], *, dialect: Dialect, width: int, policy: Policy):
    """Good records by number, rejected ones by number, and the verdicts."""
    good, bad, verdicts = {}, {}, []
    for chunk, data in chunks:
        records = read_chunk(data, chunk=chunk, dialect=dialect, head=head(width), policy=policy)
        for numbers, group in records.groups():
            assert len(numbers) == len(group) > 0
            good.update(zip(numbers, group, strict=True))
        bad.update({rejected.record: rejected for rejected in records.rejected})
        verdicts.append(records.verdict)
    return good, bad, verdicts


@given(nasty_files, csv_dialects, st.integers(1, 60), st.integers(1, 3), policies)
@example(b'a\n\n\n"b', Dialect(), 1, 1, Policy.PAD)
@settings(max_examples=300)
def test_records_of_all_chunks_are_those_of_the_exact_reader(data, dialect, chunk_bytes, width, policy):
    """Whatever the chunk size, each record is good or rejected, once, with its number, range and values."""
    rows = [row for row in exact_rows(data, dialect=dialect) if row.fields or row.too_long]

    good, bad, verdicts = read_all(
        planned(data, dialect=dialect, chunk_bytes=chunk_bytes), dialect=dialect, width=width, policy=policy
    )

    assert all(isinstance(verdict, Agreed) for verdict in verdicts)
    assert sum(verdict.records for verdict in verdicts) == len(rows)
    assert sorted([*good, *bad]) == list(range(len(rows)))
    lenient = policy is Policy.PAD
    for number, row in enumerate(rows):
        unreadable = "".join(row.fields).encode("utf-8", "replace") != "".join(row.fields).encode(
            "utf-8", "surrogatepass"
        )
        ragged = len(row.fields) > width or (len(row.fields) < width and not lenient)
        if row.too_long or unreadable or ragged or (row.unclosed and not lenient):
            assert (bad[number].start, bad[number].end) == (row.start, row.end)
        else:
            assert good[number] == row.fields + [""] * (width - len(row.fields))


@given(nasty_files, line_dialects, st.integers(1, 60))
def test_lines_of_all_chunks_are_the_lines_of_the_file(data, dialect, chunk_bytes):
    """Each line is good or rejected, once, with its number; good ones are the text without the line end."""
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    if dialect.format is Format.JSONL:
        lines = [line for line in lines if line.strip(b"\r")]

    good, bad, verdicts = read_all(
        planned(data, dialect=dialect, chunk_bytes=chunk_bytes), dialect=dialect, width=0, policy=Policy.STRICT
    )

    assert all(isinstance(verdict, Agreed) for verdict in verdicts)
    assert sorted([*good, *bad]) == list(range(len(lines)))
    for number, line in enumerate(lines):
        if number in good:
            assert good[number] == line.removesuffix(b"\r").decode()
        else:
            assert data[bad[number].start : bad[number].end].removesuffix(b"\n") == line
            assert len(line) >= dialect.max_record_bytes or line.decode(errors="replace").encode() != line


@pytest.mark.parametrize(
    ("data", "reasons", "kept_by_pad"),
    [
        (b"1,2\n3\n4,5\n", ["expected 2 fields, found 1"], ["3", ""]),
        (b"1,2\n3,4,5\n6,7\n", ["expected 2 fields, found 3"], None),
        (b"1,2\n\xff,3\n4,5\n", ["expected text in utf-8, found bytes that are not"], None),
        (b'1,2\n3,"4', ["expected a closing quote, found the end of the file"], ["3", "4"]),
    ],
)
def test_malformed_records_by_policy(data, reasons, kept_by_pad):
    """`strict` and `skip` reject with the reason and go on; `pad` keeps what loses nothing."""
    for policy in Policy:
        good, bad, _ = read_all(
            planned(data, dialect=Dialect(), chunk_bytes=1000), dialect=Dialect(), width=2, policy=policy
        )
        if policy is Policy.PAD and kept_by_pad:
            assert (good[1], bad) == (kept_by_pad, {})
        else:
            assert [rejected.reason for rejected in bad.values()] == reasons
            assert 1 not in good
        assert good[0] == ["1", "2"]


def test_blank_lines_in_a_large_chunk_change_neither_numbers_nor_records():
    """Groups with and without blank lines, and more of those than records, are read alike."""
    data = b"".join(b"%d,x\n" % number + b"\n" * (number % 1500 == 7) * 3000 for number in range(4000))
    chunks = planned(data, dialect=Dialect(), chunk_bytes=10**6)

    good, bad, verdicts = read_all(chunks, dialect=Dialect(), width=2, policy=Policy.STRICT)

    assert good == {number: [str(number), "x"] for number in range(4000)}
    assert (bad, verdicts) == ({}, [Agreed(records=4000)])


def test_ranges_of_rejected_records_are_exact_far_into_a_chunk():
    """Every malformed record of a chunk of many groups is told with the bytes that it has in the file."""
    data = b"".join(b"%d\n" % number if number % 900 == 5 else b"%d,x\r\n" % number for number in range(5000))
    chunks = planned(b"head\n" + data, dialect=Dialect(), chunk_bytes=10**6, at=Position(offset=5))

    _, bad, _ = read_all(chunks, dialect=Dialect(), width=2, policy=Policy.SKIP)

    found = {number: (b"head\n" + data)[rejected.start : rejected.end] for number, rejected in bad.items()}
    assert found == {number: b"%d\n" % number for number in range(5, 5000, 900)}


def test_a_chunk_that_is_too_long_to_be_read_is_one_rejected_record():
    """Its range and size are told; nobody needs its bytes."""
    dialect = Dialect(max_record_bytes=100)
    chunk = Chunk(seq=3, start=50, end=1050, first_record=7, records=1, too_long=True)

    good, bad, verdicts = read_all([Planned(chunk, b"")], dialect=dialect, width=1, policy=Policy.PAD)

    assert (good, verdicts) == ({}, [Agreed(records=1)])
    assert (bad[7].start, bad[7].end, bad[7].reason) == (50, 1050, "expected at most 100 bytes, found 1000")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"records": 2}, "bytes 4 to 16: expected 2 records, found 3"),
        ({"records": 4}, "bytes 4 to 16: expected 4 records, found 3"),
        ({"end": 14}, "bytes 4 to 14: expected 10 bytes, found 12"),
    ],
)
def test_a_chunk_that_is_not_as_planned_disagrees(change, reason):
    """The verdict names what differs, and the border from which to plan again."""
    chunk = replace(Chunk(seq=1, start=4, end=16, first_record=2, records=3), **change)

    verdict = verify_chunk(b"1,2\n3,4\n5,6\n", chunk=chunk, dialect=Dialect(), head=head(2))

    assert verdict == Disagreed(at=chunk.before, reason=reason)


@pytest.mark.parametrize("data", [b'1,"2\n', b"1,2\n3", b'1,2\n3,"4"'])
def test_a_chunk_that_ends_inside_a_record_disagrees(data):
    """Unless the plan says that the file ends there."""
    chunk = Chunk(seq=0, start=0, end=len(data), first_record=0, records=data.count(b"\n") + (b"3" in data))

    verdict = verify_chunk(data, chunk=chunk, dialect=Dialect(), head=head(2))
    at_the_end = verify_chunk(data, chunk=replace(chunk, unterminated=True), dialect=Dialect(), head=head(2))

    assert isinstance(verdict, Disagreed)
    assert "expected the end of a record at its end, found the middle of one" in verdict.reason
    assert at_the_end == Agreed(records=chunk.records)


def test_a_chunk_that_was_not_read_to_its_end_has_not_agreed():
    """A worker that stops half-way holds no verdict that would let it publish."""
    records = read_chunk(
        b"1\n", chunk=Chunk(seq=0, start=0, end=2, first_record=0, records=1), dialect=Dialect(), head=head()
    )

    assert isinstance(records.verdict, Disagreed)


def by_naive_parity(data: bytes, *, chunk_bytes: int) -> list[Chunk]:
    """A plan as parity without proof would make it: wrong wherever a quote is stray."""
    chunks, start, first = [], 0, 0
    while start < len(data):
        end = start + chunk_bytes
        while end < len(data) and not (data[end - 1 : end] == b"\n" and data.count(b'"', 0, end) % 2 == 0):
            end += 1
        end = min(end, len(data))
        records = data.count(b"\n", start, end)
        chunks.append(Chunk(seq=len(chunks), start=start, end=end, first_record=first, records=records))
        start, first = end, first + records
    return chunks


@given(nasty_files, st.integers(1, 30))
@example(b'5" pipe\n"a\nb"\n5" pipe\n', 8)
def test_a_wrong_plan_is_found_out_and_repaired(data, chunk_bytes):
    """Read in order and planned anew from the first chunk that disagrees, any plan ends as the exact one."""
    dialect = Dialect()
    agreed: list[Planned] = []
    for chunk in by_naive_parity(data, chunk_bytes=chunk_bytes):
        content = data[chunk.start : chunk.end]
        verdict = verify_chunk(content, chunk=chunk, dialect=dialect, head=head())
        if isinstance(verdict, Disagreed):
            agreed += planned(data, dialect=dialect, chunk_bytes=chunk_bytes, exact=True, at=verdict.at)
            break
        agreed.append(Planned(chunk, content))

    good, bad, verdicts = read_all(agreed, dialect=dialect, width=1, policy=Policy.PAD)

    rows = [fields for fields in by_the_standard_library(data, dialect=dialect) if fields]
    assert all(isinstance(verdict, Agreed) for verdict in verdicts)
    assert sorted([*good, *bad]) == list(range(len(rows)))
    assert all(rows[number] == fields for number, fields in good.items())


def test_a_file_is_its_head_and_its_chunks():
    """The header is no record: numbers start behind it, and every chunk can be read without it."""
    data = b"\xef\xbb\xbfid,text\r\n" + b'1,"a\r\nb"\r\n2,c\r\n' * 10
    dialect = Dialect()
    found = read_head(data, dialect=dialect, final=True)
    assert found is not None

    chunks = planned(data[found.start :], dialect=dialect, chunk_bytes=15)

    good, bad, _ = read_all(chunks, dialect=dialect, width=2, policy=Policy.STRICT)
    assert found.names == ("id", "text")
    assert good == {number: (["2", "c"] if number % 2 else ["1", "a\r\nb"]) for number in range(20)}
    assert (bad, len(chunks)) == ({}, 10)


def test_the_format_decides_how_a_chunk_is_read():
    """CSV gives lists of values, the others lines."""
    chunk = Chunk(seq=0, start=0, end=2, first_record=0, records=1)

    kinds = [type(read_chunk(b"1\n", chunk=chunk, dialect=Dialect(format=kind), head=head())) for kind in Format]

    assert kinds == [CsvRecords, LineRecords, LineRecords]
