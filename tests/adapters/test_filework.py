"""The built-in work on buckets, with real files: what comes out is what went in, whole, or nothing."""

import csv
import errno
import hashlib
import io
import json
import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.filework import CopyTo, MergeFormat, MergeTo, Verify
from millstream.core.model import Done, FileRef
from millstream.errors import SourceError

Work = Callable[["FakeBucket", "FakeAttempt"], Done]


@dataclass(frozen=True)
class FakeBucket:
    """As much of a batch as the work needs."""

    files: tuple[FileRef, ...]
    id: str = "nightly-1.7"


@dataclass
class FakeAttempt:
    """As much of a context as the work needs; `on_beat` runs in the middle of the work."""

    attempt: int = 1
    checksums: dict[str, str] = field(default_factory=dict)
    cancelled_at_beat: int | None = None
    on_beat: Callable[[], None] = lambda: None
    beats: int = 0

    @property
    def cancelled(self) -> bool:
        """Whether the work should stop."""
        return self.beats == self.cancelled_at_beat

    def heartbeat(self) -> None:
        """Let the test interfere."""
        self.beats += 1
        self.on_beat()


def listed(root: Path, contents: dict[str, bytes]) -> FakeBucket:
    """A bucket of real files."""
    files = []
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found = path.stat()
        files.append(
            FileRef(
                path=str(path),
                size_bytes=found.st_size,
                mtime_ns=found.st_mtime_ns,
                inode=found.st_ino,
                root=str(root),
                name=name,
            )
        )
    return FakeBucket(tuple(files))


def visible(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their contents, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sha256(data: bytes) -> str:
    """As the ledger keeps it."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file can grow beyond `size_bytes`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def works(tmp_path: Path) -> Sequence[Work]:
    """Every kind of work."""
    return [Verify(), CopyTo(str(tmp_path / "out")), MergeTo(str(tmp_path / "out"))]


def test_every_work_leaves_checksums_and_says_what_it_did(tmp_path: Path, works: Sequence[Work]) -> None:
    """So nobody need read the files again, and the ledger tells people."""
    contents = {"a.log": b"1\n", "empty.log": b"", "deep/b.log": b"x" * 3_000_000}
    bucket = listed(tmp_path / "in", contents)

    for work in works:
        attempt = FakeAttempt()
        outcome = work(bucket, attempt)

        assert attempt.checksums == {str(tmp_path / "in" / name): sha256(data) for name, data in contents.items()}
        assert outcome.detail.endswith("ed 3 files, 3000002 bytes")


@pytest.mark.parametrize(("now", "found"), [(b"123456", "more"), (b"12", "only 2")])
def test_a_file_that_changed_fails_every_work(tmp_path: Path, works: Sequence[Work], now: bytes, found: str) -> None:
    """The error says by how much, and nothing is left behind."""
    bucket = listed(tmp_path / "in", {"a.log": b"12345"})
    (tmp_path / "in/a.log").write_bytes(now)

    for work in works:
        attempt = FakeAttempt()
        with pytest.raises(SourceError, match=rf"a\.log: changed: it was listed with 5 bytes and now has {found};"):
            work(bucket, attempt)

        assert attempt.checksums == {}
    assert visible(tmp_path / "out") == {}


def test_a_file_that_is_gone_fails_every_work(tmp_path: Path, works: Sequence[Work]) -> None:
    """As the error of the system."""
    bucket = listed(tmp_path / "in", {"a.log": b"12345"})
    (tmp_path / "in/a.log").unlink()

    for work in works:
        with pytest.raises(FileNotFoundError):
            work(bucket, FakeAttempt())


def test_a_link_in_the_place_of_a_file_fails_every_work(tmp_path: Path, works: Sequence[Work]) -> None:
    """What was listed was no link; this one may lead out of the root."""
    bucket = listed(tmp_path / "in", {"a.csv": b"12345"})
    (tmp_path / "in/a.csv").rename(tmp_path / "elsewhere")
    (tmp_path / "in/a.csv").symlink_to(tmp_path / "elsewhere")

    for work in works:
        with pytest.raises(OSError, match="symbolic links") as caught:
            work(bucket, FakeAttempt())

        assert caught.value.errno == errno.ELOOP


def test_every_work_beats_and_stops_when_cancelled(tmp_path: Path, works: Sequence[Work]) -> None:
    """It looks at every block, and leaves nothing half done."""
    bucket = listed(tmp_path / "in", {"a.log": b"x" * 3_000_000})

    for work in works:
        attempt = FakeAttempt(cancelled_at_beat=2)
        with pytest.raises(SourceError, match="was not read to its end, as the attempt was cancelled"):
            work(bucket, attempt)

        assert attempt.beats == 2
    assert visible(tmp_path / "out") == {}


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path, works: Sequence[Work]) -> None:
    """What was written until then is removed."""
    bucket = listed(tmp_path / "in", {"a.log": b"x" * 3_000_000})

    for work in works[1:]:
        with full_disk(1_500_000), pytest.raises(OSError, match="File too large"):
            work(bucket, FakeAttempt())
    assert visible(tmp_path / "out") == {}


# --- copies ----------------------------------------------------------------------------------------------------


def test_copies_keep_name_and_time(tmp_path: Path) -> None:
    """Also of empty files and in folders that are not there yet; nothing else appears."""
    contents = {"a": b"1\n", "deep/er/b": b"x" * 3_000_000, "deep/empty": b""}
    bucket = listed(tmp_path / "in", contents)
    os.utime(tmp_path / "in/a", ns=(1, 1_234_567_890_123_456_789))
    bucket = replace(bucket, files=(replace(bucket.files[0], mtime_ns=1_234_567_890_123_456_789), *bucket.files[1:]))

    CopyTo(str(tmp_path / "new/out"))(bucket, FakeAttempt())

    assert visible(tmp_path / "new/out") == contents
    for name in contents:
        assert (tmp_path / "new/out" / name).stat().st_mtime_ns == (tmp_path / "in" / name).stat().st_mtime_ns


def test_copies_from_several_roots_are_kept_apart_by_a_base(tmp_path: Path) -> None:
    """Names are relative to the base then, not to the root of each."""
    one = listed(tmp_path / "in/one", {"x": b"1"})
    two = listed(tmp_path / "in/two", {"x": b"2"})

    CopyTo(str(tmp_path / "out"), base=str(tmp_path / "in"))(FakeBucket(one.files + two.files), FakeAttempt())

    assert visible(tmp_path / "out") == {"one/x": b"1", "two/x": b"2"}


def test_a_new_version_replaces_the_copy_of_the_old(tmp_path: Path) -> None:
    """And doing the same again changes nothing."""
    copy = CopyTo(str(tmp_path / "out"))
    copy(listed(tmp_path / "in", {"a": b"old"}), FakeAttempt())

    for attempt in (1, 2):
        copy(listed(tmp_path / "in", {"a": b"newer"}), FakeAttempt(attempt))

        assert visible(tmp_path / "out") == {"a": b"newer"}


def test_a_copy_that_reads_back_different_is_an_error(tmp_path: Path) -> None:
    """What the disk holds is compared, not what was meant to be written."""
    bucket = listed(tmp_path / "in", {"a": b"x" * 2_000_000})
    attempt = FakeAttempt()

    def spoil() -> None:
        if attempt.checksums:  # the file was read to its end, and the copy is being read back
            with (tmp_path / "out/.nightly-1.7.1.0.part").open("rb+") as part:
                part.seek(1_999_999)
                part.write(b"y")

    attempt.on_beat = spoil
    with pytest.raises(OSError, match="the copy reads back different from what was written") as caught:
        CopyTo(str(tmp_path / "out"))(bucket, attempt)

    assert caught.value.errno == errno.EIO
    assert visible(tmp_path / "out") == {}


def test_a_new_attempt_removes_what_dead_ones_left(tmp_path: Path) -> None:
    """Only part files of earlier attempts on the same batch: ids may begin alike."""
    bucket = listed(tmp_path / "in", {"a": b"1"})
    (tmp_path / "out").mkdir()
    dead = [".nightly-1.7.1.0.part", ".nightly-1.7.2.31.part"]
    others = [".nightly-1.7.3.0.part", ".nightly-1.7.1.part", ".nightly-1.7.5.1.0.part", ".nightly-1x7.1.0.part"]
    for name in (*dead, *others):
        (tmp_path / "out" / name).touch()

    CopyTo(str(tmp_path / "out"))(bucket, FakeAttempt(attempt=3))

    assert sorted(visible(tmp_path / "out")) == sorted([*others[1:], "a"])


@pytest.mark.parametrize("work", [CopyTo, MergeTo])
def test_a_zombie_fails_at_its_rename(tmp_path: Path, work: type[CopyTo | MergeTo]) -> None:
    """When a successor came while a writer was paused, the writer can put nothing in place any more."""
    bucket = listed(tmp_path / "in", {"a.log": b"1"})
    zombie = FakeAttempt(attempt=1)

    def overtake() -> None:
        work(str(tmp_path / "out"))(bucket, FakeAttempt(attempt=2))

    zombie.on_beat = overtake
    with pytest.raises(FileNotFoundError):
        work(str(tmp_path / "out"))(bucket, zombie)

    assert b"1" in visible(tmp_path / "out").values()
    assert not [name for name in visible(tmp_path / "out") if name.endswith(".part")]


# --- merged files ------------------------------------------------------------------------------------------------


def merged(folder: Path, bucket: FakeBucket, *, work: MergeTo | None = None) -> tuple[bytes, dict[str, Any]]:
    """Merge a bucket twice; returns the merged file and its manifest."""
    work = work or MergeTo(str(folder))
    work(bucket, FakeAttempt(attempt=1))
    first = visible(folder)
    work(bucket, FakeAttempt(attempt=2))
    assert visible(folder) == first, "doing it again gives the same bytes"
    manifest = json.loads(first.pop(f"{bucket.id}.manifest.json"))
    ((name, data),) = first.items()
    assert (manifest["batch"], manifest["file"]) == (bucket.id, name)
    assert (manifest["size_bytes"], manifest["sha256"]) == (len(data), sha256(data))
    return data, manifest


def pieces(data: bytes, manifest: dict[str, Any]) -> list[bytes]:
    """The parts of a merged file, cut as the manifest says, after checking that they are all of it."""
    found = []
    offset = 0
    for piece in manifest["files"]:
        assert piece["offset"] == offset
        assert piece["sha256"] == sha256(Path(piece["path"]).read_bytes())
        assert piece["size_bytes"] == Path(piece["path"]).stat().st_size
        offset += piece["length"]
        found.append(data[piece["offset"] : offset])
    assert offset == len(data)
    return found


@settings(max_examples=30, deadline=None)
@given(contents=st.lists(st.lists(st.sampled_from([b"{}", b"\n", b"\xff\r"]), max_size=5).map(b"".join), min_size=1))
def test_merged_json_lines_are_the_lines_of_all_files(contents: list[bytes]) -> None:
    """Each file's last line ends with a newline; empty files add nothing."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        bucket = listed(root / "in", {f"{number}.jsonl": data for number, data in enumerate(contents)})

        data, manifest = merged(root / "out", bucket)

        assert manifest["format"] == "jsonl"
        assert pieces(data, manifest) == [
            content if content.endswith(b"\n") or not content else content + b"\n" for content in contents
        ]


FIELD = st.sampled_from(["", "1", "a b", 'say "hi"', "two\nlines", "a,b", "é"])


@settings(max_examples=30, deadline=None)
@given(
    header=st.lists(FIELD, min_size=1, max_size=3).filter(any),
    tables=st.lists(
        st.tuples(st.lists(st.tuples(FIELD, FIELD), max_size=3), st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    ),
)
def test_merged_tables_have_one_header(
    header: list[str], tables: list[tuple[list[tuple[str, str]], bool, bool, bool]]
) -> None:
    """The rows of all files follow it, whatever is quoted, marked with a byte order, or not ended with a newline."""
    contents = {}
    for number, (rows, has_mark, is_windows, is_ended) in enumerate(tables):
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n" if is_windows else "\n").writerows([header, *rows])
        content = ("\ufeff" if has_mark else "") + (text.getvalue() if is_ended else text.getvalue().rstrip("\r\n"))
        contents[f"{number}.csv"] = content.encode()
    contents["empty.csv"] = b""

    with tempfile.TemporaryDirectory() as name:
        data, manifest = merged(Path(name, "out"), listed(Path(name, "in"), contents))
        pieces(data, manifest)

    found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert manifest["format"] == "csv"
    assert found == [header, *(list(row) for rows, *_ in tables for row in rows)]


def test_tables_with_different_headers_are_not_merged(tmp_path: Path) -> None:
    """The error names both files and both headers; nothing is left behind."""
    bucket = listed(tmp_path / "in", {"0.csv": b"", "a.csv": b"id,name\n1,x\n", "b.csv": b"id,price\n2,3\n"})

    with pytest.raises(SourceError) as caught:
        MergeTo(str(tmp_path / "out"))(bucket, FakeAttempt())

    assert str(caught.value) == (
        f"source: {tmp_path}/in/b.csv: cannot be merged with {tmp_path}/in/a.csv: "
        "the header is id, price here, id, name there; "
        "give files with different headers folders of their own, and use --group dir"
    )
    assert visible(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\rb\r", "has no header that can be read as CSV: new-line character seen in unquoted field"),
        (b"\n1,2\n", "begins with 1 bytes that are no CSV header"),
        (b"\xef\xbb\xbf", "begins with 3 bytes that are no CSV header"),
        (b"a," * 600_000 + b"\n", "begins with 1048576 bytes that are no CSV header"),
        (b'"' + b"a" * 600_000, "has no header that can be read as CSV: field larger than field limit"),
    ],
    ids=["carriage returns", "empty line", "only a mark", "too long", "open quote"],
)
def test_what_has_no_header_is_not_merged_as_a_table(tmp_path: Path, content: bytes, reason: str) -> None:
    """The error names the file and what is wrong with it."""
    bucket = listed(tmp_path / "in", {"a.csv": content})

    with pytest.raises(SourceError, match=reason):
        MergeTo(str(tmp_path / "out"))(bucket, FakeAttempt())


@pytest.mark.parametrize(
    ("names", "form", "suffix"),
    [
        (["a.jsonl", "b.NDJSON"], "jsonl", ".jsonl"),
        (["a.csv", "b.CSV"], "csv", ".csv"),
        (["a.csv", "b.jsonl"], "raw", ".bin"),
        (["a.log", "b.log"], "raw", ".log"),
        (["a.csv.gz", "b.jsonl.gz"], "raw", ".gz"),
        (["a", "b"], "raw", ".bin"),
    ],
)
def test_the_names_of_all_files_decide_the_format(tmp_path: Path, names: list[str], form: str, suffix: str) -> None:
    """One stranger in the bucket makes it raw."""
    _, manifest = merged(tmp_path / "out", listed(tmp_path / "in", dict.fromkeys(names, b"a,b")))

    assert manifest["format"] == form
    assert manifest["file"] == f"nightly-1.7{suffix}"


def test_raw_files_are_joined_byte_by_byte(tmp_path: Path) -> None:
    """Nothing is added and nothing left out, also where the format is chosen by the user."""
    bucket = listed(tmp_path / "in", {"a.csv": b"h\n1", "b.csv": b"h\n2"})

    data, manifest = merged(tmp_path / "out", bucket, work=MergeTo(str(tmp_path / "out"), format=MergeFormat.RAW))

    assert data == b"h\n1h\n2"
    assert pieces(data, manifest) == [b"h\n1", b"h\n2"]


def test_large_files_merge_too(tmp_path: Path) -> None:
    """Blocks end in the middle of headers and rows."""
    rows = b"".join(b"%d,%s\n" % (number, b"x" * 50) for number in range(40_000))
    bucket = listed(tmp_path / "in", {"a.csv": b"n,x\n" + rows, "b.csv": b"n,x\n" + rows})

    data, _ = merged(tmp_path / "out", bucket)

    assert data == b"n,x\n" + rows + rows
