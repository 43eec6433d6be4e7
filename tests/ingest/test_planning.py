"""Plan steps on real files."""

import gzip
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.driving import Site
from millstream.core.ingestion import CHUNKS_OF_A_STEP, Compression, PlanReport, Spoiled, chunks_of_a_step
from millstream.core.splitting import Dialect, Format, Position
from millstream.core.tasks import CHUNKS_OF_THE_FIRST_STEP


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


ROWS = b"a,b\n" + b"".join(b'%d,"x\ny"\n' % number for number in range(40_000))


def test_steps_cover_the_file_without_a_gap(site):
    """Chunks follow one another from the head to the end, numbered in order, at most so many in a step."""
    site.write(ROWS)

    found, chunks = site.plan(site.spec(chunk_bytes=1000))

    assert found.head.names == ("a", "b")
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0].start == found.head.start == 4
    assert chunks[-1].end == len(ROWS) == found.size_bytes
    for before, after in pairwise(chunks):
        assert (before.end, before.first_record + before.records) == (after.start, after.first_record)
    assert sum(chunk.records for chunk in chunks) == 40_000
    assert site.steps == 1 + -(-(len(chunks) - CHUNKS_OF_THE_FIRST_STEP) // CHUNKS_OF_A_STEP)
    assert site.beats > 0


def test_a_step_of_small_chunks_reads_little(site, monkeypatch):
    """A step reads about what its chunks hold, not the rest of a long file."""
    site.write(ROWS * 10)
    read = 0

    def counting(descriptor: int, size: int, at: int) -> bytes:
        nonlocal read
        data = pread(descriptor, size, at)
        read += len(data)
        return data

    pread = os.pread
    monkeypatch.setattr(os, "pread", counting)

    report = site.step(site.spec(chunk_bytes=1000))

    assert isinstance(report, PlanReport)
    assert len(report.chunks) == CHUNKS_OF_THE_FIRST_STEP
    assert read < 400_000 < len(ROWS * 10)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_chunk(site, data):
    """An empty file is one step without a chunk, and its end."""
    site.write(data)

    report = site.step(site.spec())

    assert isinstance(report, PlanReport)
    assert (report.chunks, report.is_last) == ((), True)


def test_a_header_alone_has_no_chunk(site):
    """So is one of a header alone."""
    site.write(b"a,b\n")

    report = site.step(site.spec())

    assert isinstance(report, PlanReport)
    assert (report.chunks, report.is_last, report.found.head.names) == ((), True, ("a", "b"))


def test_a_file_that_ends_with_its_last_full_step(site):
    """When the last chunk of a step is the last of the file, the step says so."""
    site.write(b"".join(b"%0999d\n" % number for number in range(CHUNKS_OF_THE_FIRST_STEP)), name="data.txt")

    report = site.step(site.spec(name="data.txt", chunk_bytes=1000, dialect=Dialect(format=Format.LINES)))

    assert isinstance(report, PlanReport)
    assert (len(report.chunks), report.is_last) == (CHUNKS_OF_THE_FIRST_STEP, True)


def test_a_long_header_is_read_whole(site):
    """A header that is longer than the first look."""
    names = [f"column {number:05d}" for number in range(20_000)]
    site.write(",".join(names).encode() + b"\n" + b",".join([b"1"] * len(names)) + b"\n")

    report = site.step(site.spec())

    assert isinstance(report, PlanReport)
    assert report.found.head.names == tuple(names)
    assert report.is_last


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'"a,b\n1,2\n', "never closed"),
        (b"\xff\xfe\x00", "header in utf-8"),
        (b"PK\x03\x04 and more", "ZIP"),
        (b"\x1f\x8b\x08 broken", "gzip"),
        (b"n\xe4me,b\n1,2\n", "utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(site, data, reason):
    """What is wrong with the file is an answer, not an error that is tried again."""
    site.write(data)

    report = site.step(site.spec())

    assert isinstance(report, Spoiled)
    assert reason in report.reason
    assert not report.changed


def test_a_missing_file_says_so(site):
    """A file that is not there is an answer, too."""
    report = site.step(site.spec(name="nope.csv"))

    assert isinstance(report, Spoiled)
    assert "nope.csv" in report.reason
    assert not report.changed


def test_a_changed_file_is_noticed_by_a_later_step(site):
    """A later step refuses another version."""
    site.write(ROWS)
    spec = site.spec(chunk_bytes=1000)
    first = site.step(spec)
    assert isinstance(first, PlanReport)
    site.write(ROWS + b"1,2\n")

    report = site.step(spec, found=first.found, at=first.at)

    assert isinstance(report, Spoiled)
    assert report.changed


def test_a_compressed_file_is_planned_on_its_copy(site):
    """A gzip file is unpacked once, into the scratch store; a copy that is gone is made again."""
    site.write(gzip.compress(ROWS), name="data.csv.gz")
    spec = site.spec(name="data.csv.gz", chunk_bytes=1000)
    first = site.step(spec)
    assert isinstance(first, PlanReport)
    assert first.found.size_bytes == len(ROWS)
    (copy,) = (site.folder / "scratch").iterdir()
    assert copy.read_bytes() == ROWS
    copy.unlink()

    second = site.step(spec, found=first.found, at=first.at)

    assert isinstance(second, PlanReport)
    assert copy.read_bytes() == ROWS
    assert second.chunks[0].start == first.chunks[-1].end


def test_wide_text_is_planned_on_its_copy(site):
    """UTF-16 is transcoded."""
    site.write("a,b\n1,ü\n".encode("utf-16"))

    found, chunks = site.plan(site.spec())

    assert found.copy
    assert [chunk.records for chunk in chunks] == [1]


def test_compression_can_be_denied(site):
    """With `none` a file that looks compressed is read as it is."""
    site.write(gzip.compress(b"x") + b"\n", name="data.txt")

    found, _ = site.plan(site.spec(name="data.txt", compression=Compression.NONE, dialect=Dialect(format=Format.LINES)))

    assert not found.copy


@given(
    st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"\r", b"xyz", b'""']), max_size=200),
    st.integers(1, 60),
    st.data(),
)
def test_a_plan_can_be_resumed_at_any_border(tmp_path_factory, parts, chunk_bytes, data):
    """Whatever the file: planning from a border gives the chunks that planning from the start has behind it."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.write(b"a\n" + b"".join(parts))
    spec = site.spec(chunk_bytes=chunk_bytes, dialect=Dialect(header=False))
    found, chunks = site.plan(spec)
    if not chunks:
        return
    border = data.draw(st.sampled_from(chunks))

    report = site.step(
        spec, found=found, at=Position(offset=border.start, record=border.first_record, seq=border.seq), exact=True
    )

    assert isinstance(report, PlanReport)
    assert list(report.chunks) == chunks[border.seq :][: chunks_of_a_step(border.before)]
