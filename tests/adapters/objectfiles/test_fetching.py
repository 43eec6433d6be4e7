"""Objects fetched for an attempt."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from millstream.adapters.objectfiles import ObjectFetcher, ObjectLister
from millstream.core.model import FileRef
from millstream.errors import ObjectChangedError, ObjectMissingError


def listed(bucket) -> FileRef:
    """The only object of a bucket."""
    (file,) = asyncio.run(ObjectLister([bucket.below()], open_bucket=bucket.open).scan()).settled
    return file


def test_what_was_listed_is_fetched(bucket, tmp_path: Path) -> None:
    """To the byte, with its checksum, and a heartbeat for every piece."""
    data = bytes(range(256)) * 20_000
    bucket.put("in/a%20b.csv", data)
    beats = []

    digest = ObjectFetcher(open_bucket=bucket.open).fetch(
        listed(bucket), target=tmp_path / "x", heartbeat=lambda: beats.append(1)
    )

    assert (tmp_path / "x").read_bytes() == data
    assert digest == hashlib.sha256(data).hexdigest()
    assert len(beats) > 1


def test_another_version_is_not_fetched(bucket, tmp_path: Path) -> None:
    """Nothing is written for one that was replaced, or is gone."""
    bucket.put("a.csv", b"1")
    file = listed(bucket)
    fetcher = ObjectFetcher(open_bucket=bucket.open)
    bucket.put("a.csv", b"2")

    with pytest.raises(ObjectChangedError):
        fetcher.fetch(file, target=tmp_path / "x", heartbeat=lambda: None)
    assert fetcher.look(file) not in (file, None)
    store = bucket.open(bucket.below())
    store._read_only = False
    store.delete("a.csv")
    with pytest.raises(ObjectMissingError):
        fetcher.fetch(file, target=tmp_path / "x", heartbeat=lambda: None)
    assert fetcher.look(file) is None
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_a_fetch(bucket, tmp_path: Path) -> None:
    """By the heartbeat, between two pieces."""
    bucket.put("a.csv", b"1" * 5_000_000)

    class Enough(BaseException):
        pass

    def beat() -> None:
        raise Enough

    with pytest.raises(Enough):
        ObjectFetcher(open_bucket=bucket.open).fetch(listed(bucket), target=tmp_path / "x", heartbeat=beat)
