"""Handlers of files that are fetched for them."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from millstream.core.model import AttemptResult, Done, Eviction, FileRef, Job, Kind, Retry
from millstream.errors import ObjectChangedError, StoreUnavailableError
from millstream.runtime.batch import Handler
from millstream.runtime.fetching import Fetched
from millstream.runtime.inline import InlinePool


class Memory:
    """A bucket in memory; a version is a number that rises."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"{name}.txt": (data, 1) for name, data in files.items()}
        self.is_down = False

    def put(self, name: str, data: bytes) -> None:
        """Put another version in place."""
        self.files[name] = (data, self.files[name][1] + 1)

    def refs(self) -> tuple[FileRef, ...]:
        """All files as they are listed."""
        return tuple(self._ref(name, root="s3://bucket/in") for name in sorted(self.files))

    def _ref(self, name: str, *, root: str) -> FileRef:
        data, version = self.files[name]
        path = f"{root}/{name}"
        return FileRef(path=path, size_bytes=len(data), mtime_ns=0, inode=version, root=root, name=name)

    def look(self, file: FileRef) -> FileRef | None:
        """See `Fetcher.look`."""
        if self.is_down:
            raise StoreUnavailableError(address="s3://bucket", reason="it is down")
        return self._ref(file.name, root=file.root) if file.name in self.files else None

    def fetch(self, file: FileRef, *, target: Path, heartbeat: Callable[[], None]) -> str:
        """See `Fetcher.fetch`."""
        heartbeat()
        if self.look(file) != file:
            raise ObjectChangedError(name=file.path, expected="1", found="2")
        data, _ = self.files[file.name]
        target.write_bytes(data)
        return hashlib.sha256(data).hexdigest()


def attempt(
    bucket: Memory, handler: Handler, *, scratch: Path, job: Job | None = None, number: int = 1
) -> AttemptResult:
    """One attempt on a bucket of all files, or on `job`."""
    files = bucket.refs()
    job = job or Job(
        id="in-1", kind=Kind.BUCKET, pipeline="in", attempt=number, fence=number, records=len(files), files=files
    )

    async def run() -> AttemptResult:
        pool = InlinePool(lambda: Fetched(handler, fetcher=bucket), name="in", scratch=str(scratch))
        await pool.start()
        try:
            return await pool.run(job)
        finally:
            await pool.stop()

    return asyncio.run(run())


def test_a_handler_finds_its_files_here(tmp_path: Path) -> None:
    """Under a path with the same name, with their address as origin; afterwards they are gone."""
    seen: list[tuple[FileRef, bytes]] = []

    def handler(batch, context):
        seen.extend((file, Path(file.path).read_bytes()) for file in batch.files)

    bucket = Memory(a=b"one", b=b"two")
    result = attempt(bucket, handler, scratch=tmp_path)

    assert result.outcome == Done()
    assert [data for _, data in seen] == [b"one", b"two"]
    assert [replace(file, path=file.origin, origin="") for file, _ in seen] == list(bucket.refs())
    assert [Path(file.path).name for file, _ in seen] == ["a.txt", "b.txt"]
    assert [file.where for file, _ in seen] == [file.path for file in bucket.refs()]
    assert list(tmp_path.iterdir()) == []
    assert result.checksums == {
        "s3://bucket/in/a.txt": hashlib.sha256(b"one").hexdigest(),
        "s3://bucket/in/b.txt": hashlib.sha256(b"two").hexdigest(),
    }


def test_an_async_handler_has_its_files_until_it_ends(tmp_path: Path) -> None:
    """Not only until it first waits."""

    async def handler(batch, context):
        await asyncio.sleep(0)
        return Done(await asyncio.to_thread(Path(batch.files[0].path).read_text))

    assert attempt(Memory(a=b"one"), handler, scratch=tmp_path).outcome == Done("one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_async", [False, True])
def test_nothing_is_left_of_a_handler_that_fails(tmp_path: Path, is_async: bool) -> None:
    """Its error is what it is without fetching."""

    def fail(batch, context):
        raise ValueError("not today")

    async def fail_later(batch, context):
        fail(batch, context)

    result = attempt(Memory(a=b"one"), fail_later if is_async else fail, scratch=tmp_path)

    assert isinstance(result.outcome, Retry)
    assert result.outcome.error == "ValueError: not today"
    assert result.charged
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_removed_by_the_next_attempt(tmp_path: Path) -> None:
    """Of the same bucket and of earlier attempts only."""
    for name in ("in-1.1.abc", "in-1.2.abc", "in-1.3.abc", "in-12.1.abc", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(b"1")

    attempt(Memory(a=b"one"), lambda batch, context: None, scratch=tmp_path, number=3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["in-1.3.abc", "in-12.1.abc", "other"]


def test_files_that_changed_leave_the_bucket(tmp_path: Path) -> None:
    """Before anything is fetched, with what is in their place, or nothing."""
    bucket = Memory(a=b"one", b=b"two", c=b"three")
    files = bucket.refs()
    job = Job(id="in-1", kind=Kind.BUCKET, pipeline="in", attempt=1, fence=1, records=3, files=files)
    bucket.put("a.txt", b"eno")
    del bucket.files["b.txt"]

    result = attempt(bucket, lambda batch, context: None, scratch=tmp_path, job=job)

    current = bucket.refs()[0]
    assert result.evictions == (Eviction(listed=files[0], current=current), Eviction(listed=files[1], current=None))
    assert not result.charged
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_while_it_is_worked_is_noticed(tmp_path: Path) -> None:
    """The bucket is not done, and its next attempt finds the file changed."""
    bucket = Memory(a=b"one")

    result = attempt(bucket, lambda batch, context: bucket.put("a.txt", b"eno"), scratch=tmp_path)

    assert isinstance(result.outcome, Retry)
    assert "s3://bucket/in/a.txt changed while it was worked" in result.outcome.error


def test_a_store_that_is_down_costs_no_attempt(tmp_path: Path) -> None:
    """The reason is told; the batch waits."""
    bucket = Memory(a=b"one")
    files = bucket.refs()
    bucket.is_down = True
    job = Job(id="in-1", kind=Kind.BUCKET, pipeline="in", attempt=1, fence=1, records=1, files=files)

    result = attempt(bucket, lambda batch, context: None, scratch=tmp_path, job=job)

    assert isinstance(result.outcome, Retry)
    assert "s3://bucket cannot be reached: it is down" in result.outcome.error
    assert (result.charged, result.lost) == (False, False)


def test_a_long_name_is_shortened_from_its_beginning(tmp_path: Path) -> None:
    """What file systems do not take; the suffix stays."""
    bucket = Memory(**{"ü" * 300: b"one"})

    def handler(batch, context):
        return Done(Path(batch.files[0].path).suffix + Path(batch.files[0].path).read_text())

    assert attempt(bucket, handler, scratch=tmp_path).outcome == Done(".txtone")
