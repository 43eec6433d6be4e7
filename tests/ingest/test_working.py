"""Chunks published from real files into real parts."""

import csv
import gc
import gzip
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.driving import Site
from millstream.core.ingestion import REJECTS_KEPT, ChunkReport, ChunkTask, Spoiled
from millstream.core.splitting import Dialect, Format, Policy
from millstream.errors import SinkRefusedError
from millstream.ingest.rendering import Lines
from millstream.ports.sink import ChunkWriter, Publication, Published


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


ROWS = b"a,b\n" + b"".join(b'%d,"x\ny"\n' % number for number in range(3_000))


def test_records_have_the_names_of_the_header_and_ids(site):
    """Each record is an object with the columns' names, and its id counts from 0 through all chunks."""
    site.write(ROWS)

    records, reports = site.run(site.spec(chunk_bytes=1000))

    assert records == [{"_id": f"m1:{number}", "a": str(number), "b": "x\ny"} for number in range(3_000)]
    assert len(reports) > 20
    assert sum(report.published for report in reports) == 3_000
    assert all(report.out_bytes and report.receipt for report in reports)


@pytest.mark.parametrize(
    ("policy", "published", "rejected"), [(Policy.STRICT, 2, 2), (Policy.SKIP, 2, 2), (Policy.PAD, 3, 1)]
)
def test_ragged_records_by_policy(site, policy, published, rejected):
    """Malformed records are rejected with their range and reason, or filled where the policy says so."""
    site.write(b"a,b\n1,2\n3\n4,5,6\n7,8\n")

    records, (report,) = site.run(site.spec(policy=policy))

    assert (report.published, report.rejected) == (published, rejected)
    assert (records[0]["a"], records[-1]["_id"]) == ("1", "m1:3")
    last = report.rejects[-1]
    assert (last.record, last.start, last.end, last.reason) == (2, 10, 16, "expected 2 fields, found 3")


def test_many_rejects_are_counted_and_some_kept(site):
    """Of a chunk full of malformed records the first are kept."""
    site.write(b"a,b\n" + b"1\n" * (REJECTS_KEPT + 7))

    _, (report,) = site.run(site.spec())

    assert report.rejected == REJECTS_KEPT + 7
    assert len(report.rejects) == REJECTS_KEPT


def test_a_record_that_is_too_long_is_rejected_unread(site):
    """A record over the limit is a chunk of its own, and rejected; its neighbours are published."""
    site.write(b"a\nx\n" + b"y" * 50_000 + b"\nz\n")

    records, reports = site.run(site.spec(chunk_bytes=10, dialect=Dialect(max_record_bytes=100)))

    assert [record["a"] for record in records] == ["x", "z"]
    assert sum(report.rejected for report in reports) == 1


def test_a_chunk_that_is_not_what_was_planned_publishes_nothing(site):
    """A wrong border is told, with where to plan again, before anything is visible."""
    site.write(ROWS)
    spec = site.spec(chunk_bytes=1000)
    found, chunks = site.plan(spec)
    wrong = replace(chunks[3], end=chunks[3].end - 2)

    report = site.publish(spec, found=found, chunk=wrong)

    assert isinstance(report, Spoiled)
    assert report.replan_from == chunks[3].before
    assert not (site.folder / "out" / ".parts").exists()


def test_a_changed_file_publishes_nothing(site):
    """Another version is refused, even of the same size."""
    site.write(ROWS)
    spec = site.spec(chunk_bytes=1000)
    found, chunks = site.plan(spec)
    site.write(ROWS.replace(b"x", b"z"))

    report = site.publish(spec, found=found, chunk=chunks[0])

    assert isinstance(report, Spoiled)
    assert report.changed
    assert not (site.folder / "out" / ".parts").exists()


def test_a_file_that_disappeared_is_told(site):
    """A file that is gone is no change, but an end."""
    site.write(ROWS)
    found, chunks = site.plan(site.spec())
    (site.folder / "in" / "data.csv").unlink()

    report = site.publish(site.spec(), found=found, chunk=chunks[0])

    assert isinstance(report, Spoiled)
    assert not report.changed


def test_a_copy_that_was_cleared_away_is_made_again(site):
    """A chunk of a compressed file can be tried again after the copy was deleted."""
    site.write(gzip.compress(ROWS), name="data.csv.gz")
    spec = site.spec(name="data.csv.gz")
    found, (chunk,) = site.plan(spec)
    for copy in (site.folder / "scratch").iterdir():
        copy.unlink()

    report = site.publish(spec, found=found, chunk=chunk)

    assert isinstance(report, ChunkReport)
    assert report.published == 3_000


class Fails:
    """A sink whose writer fails at its second block, and notes what happened."""

    address = "fails"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def open(self, publication: Publication) -> "Fails":
        return self

    def write(self, lines: bytes, *, numbers: object) -> None:
        self.calls.append("write")
        if len(self.calls) == 2:
            raise SinkRefusedError(address="fails", reason="enough")

    def commit(self) -> Published:
        self.calls.append("commit")
        return Published(receipt="", out_bytes=0)

    def abort(self) -> None:
        self.calls.append("abort")

    def check(self) -> None: ...

    def close(self) -> None: ...


class Knows(Fails):
    """A sink that published every chunk before."""

    def open(self, publication: Publication) -> Published:  # type: ignore[override]
        return Published(receipt="seen", out_bytes=42)


def publication(site: Site) -> tuple[ChunkTask, Publication]:
    spec = site.spec()
    found, (chunk,) = site.plan(spec)
    task = ChunkTask(spec=spec, found=found, chunk=chunk)
    return task, Publication(batch_id="m1-0", message_id="m1", seq=0, fence=2, attempt=2, first_record=0)


def test_a_writer_is_aborted_when_it_fails(site):
    """Whatever is raised, the writer is given up first."""
    site.write(ROWS)
    task, wanted = publication(site)
    sink = Fails()

    with pytest.raises(SinkRefusedError):
        site.publisher.publish(task, publication=wanted, places=site.places, sink=sink)

    assert sink.calls == ["write", "write", "abort"]


def test_what_was_published_before_is_counted_and_not_written(site):
    """A chunk that an earlier attempt published has the counts that it had then, its rejects included."""
    site.write(b"a,b\n1,2\n3\n")
    task, wanted = publication(site)
    sink = Knows()

    report = site.publisher.publish(task, publication=wanted, places=site.places, sink=sink)

    assert sink.calls == []
    assert isinstance(report, ChunkReport)
    assert (report.published, report.rejected, report.receipt, report.out_bytes) == (1, 1, "seen", 42)
    assert [reject.record for reject in report.rejects] == [1]


PIECES = [b"a", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b"x\ny", b'"q\nr"', b",\n", b'5" pipe', b"\r\r\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=120), st.integers(1, 80), st.booleans())
def test_records_equal_those_of_the_csv_module(tmp_path_factory, parts, chunk_bytes, ends):
    """Whatever the file and the size of its chunks, the published values are those that csv.reader reads."""
    data = b"".join(parts) + (b"\n" if ends else b"")
    site = Site(tmp_path_factory.mktemp("site"))
    site.write(b"one,two\n" + data)
    expected = [row for row in csv.reader(io.StringIO(data.decode(), newline="")) if row]

    found, chunks = site.plan(site.spec(chunk_bytes=chunk_bytes, policy=Policy.PAD))
    for chunk in chunks:
        site.publish(site.spec(chunk_bytes=chunk_bytes, policy=Policy.PAD), found=found, chunk=chunk)

    published = {record["_id"]: record for record in site.records()} if chunks else {}
    assert sum(chunk.records for chunk in chunks) == len(expected)
    for number, row in enumerate(expected):
        if len(row) <= 2:
            one, two = (*row, "", "")[:2]
            assert published[f"m1:{number}"] == {"_id": f"m1:{number}", "one": one, "two": two}
        else:
            assert f"m1:{number}" not in published


def test_lines_and_objects(site):
    """Plain lines and JSON objects are published with ids, too."""
    site.write(b"one\n\ntwo", name="data.txt")
    lines, _ = site.run(site.spec(name="data.txt", dialect=Dialect(format=Format.LINES)))
    other = Site(site.folder / "other")
    other.write(b'{"n": 1}\n[2]\n{"_id": 3}\n', name="data.jsonl")
    objects, (report,) = other.run(other.spec(name="data.jsonl", dialect=Dialect(format=Format.JSONL)))

    assert [record["line"] for record in lines] == ["one", "", "two"]
    assert objects == [{"_id": "m1:0", "n": 1}, {"_id": "m1:2", "_id_2": 3}]
    assert report.rejected == 1


class _Watching:
    """A sink and its writer, which look how many blocks of records there are at each write."""

    address = "nowhere"

    def __init__(self) -> None:
        self.blocks: list[int] = []

    def open(self, publication: Publication) -> ChunkWriter:
        del publication
        return self

    def write(self, lines: bytes, *, numbers: range | list[int]) -> None:
        del lines, numbers
        self.blocks.append(sum(isinstance(found, Lines) for found in gc.get_objects()))

    def commit(self) -> Published:
        return Published(receipt="", out_bytes=0)

    def abort(self) -> None:
        raise AssertionError

    def check(self) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def test_blocks_are_forgotten_as_they_are_written(site):
    """What a sink took, and may hold in a form of its own, is not held beside it; the counts are of all."""
    site.write(ROWS)
    found, (chunk,) = site.plan(site.spec())
    sink = _Watching()

    report = site.publish(site.spec(), found=found, chunk=chunk, sink=sink)

    assert sink.blocks == [3, 2, 1]
    assert report.published == 3_000
