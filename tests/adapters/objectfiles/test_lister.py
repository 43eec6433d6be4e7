"""Files found in object stores."""

import asyncio

import pytest

from millstream.adapters.objectfiles import ObjectFetcher, ObjectLister
from millstream.errors import SourceError
from millstream.ports import Listing


def scan(bucket, *prefixes: str) -> Listing:
    """One look."""
    lister = ObjectLister([bucket.below(prefix) for prefix in prefixes], open_bucket=bucket.open)
    return asyncio.run(lister.scan())


def names(listing: Listing) -> list[tuple[str, str]]:
    """Root and name of each file."""
    return [(file.root, file.name) for file in listing.settled]


def test_all_below_a_prefix_is_listed(bucket) -> None:
    """As below a folder: a name that only begins alike is not below it; all files are settled."""
    for name in ("in/b.csv", "in/deep/a.csv", "in.csv", "inside/c.csv", "z"):
        bucket.put(name, b"1")

    listing = scan(bucket, "in")

    assert names(listing) == [(f"{bucket.address}/in", "b.csv"), (f"{bucket.address}/in", "deep/a.csv")]
    assert [file.path for file in listing.settled] == [
        f"{bucket.address}/in/{name}" for name in ("b.csv", "deep/a.csv")
    ]
    assert listing.unsettled == ()
    assert [file.name for file in scan(bucket, "").settled] == [
        "in.csv",
        "in/b.csv",
        "in/deep/a.csv",
        "inside/c.csv",
        "z",
    ]


def test_an_address_may_name_one_object(bucket) -> None:
    """Its root is then what is above it; and each object is listed once however often it is named."""
    for name in ("a/b.csv", "c.csv"):
        bucket.put(name, b"1")

    assert names(scan(bucket, "a/b.csv")) == [(f"{bucket.address}/a", "b.csv")]
    assert names(scan(bucket, "c.csv")) == [(bucket.address, "c.csv")]
    assert len(scan(bucket, "a", "a/b.csv", "", "c.csv").settled) == 2


def test_nothing_below_a_prefix_is_no_error(bucket) -> None:
    """Prefixes come and go with what is in them."""
    assert scan(bucket, "later") == Listing(settled=())


def test_what_is_listed_is_what_is_seen_later(bucket) -> None:
    """A list and a look agree about an object, or no bucket could ever be worked; empty ones included."""
    for name, data in (("in/a.csv", b"1"), ("in/empty.csv", b""), ("in/%C3%BC%20%25.csv", b"23")):
        bucket.put(name, data)
    fetcher = ObjectFetcher(open_bucket=bucket.open)

    listing = scan(bucket, "in")

    assert [file.name for file in listing.settled] == ["a.csv", "empty.csv", "ü %.csv"]
    assert [fetcher.look(file) for file in listing.settled] == list(listing.settled)


def test_other_bytes_are_another_version(bucket) -> None:
    """Of the same size and in the same second."""
    bucket.put("a.csv", b"1")
    (before,) = scan(bucket, "").settled
    bucket.put("a.csv", b"2")
    (after,) = scan(bucket, "").settled

    assert before.version != after.version
    assert (before.path, before.size_bytes) == (after.path, after.size_bytes)
    assert 0 <= after.inode < 1 << 63


def test_hidden_objects_are_ignored_and_strange_names_refused(bucket) -> None:
    """Each with its reason, on one line; a name can lead nowhere when it is copied."""
    for name in ("in/good.csv", "in/.hidden.csv", "in/.git/config", "in/a%5Cb.csv", "in/a%E2%80%AEb.csv"):
        bucket.put(name, b"1")

    listing = scan(bucket, "in")
    refused = dict(listing.refused)

    assert [file.name for file in listing.settled if "good" in file.name] == ["good.csv"]
    assert listing.ignored == 2
    assert all("\n" not in path + reason and path.isprintable() for path, reason in listing.refused)
    assert refused[f"{bucket.address}/in/a\\u202eb.csv"] == "has a control character"
    if bucket.address.startswith("s3"):  # Azure turns a backslash into a slash
        assert refused[f"{bucket.address}/in/a\\b.csv"] == "has a backslash"


def test_a_name_that_keeps_others_from_being_listed_is_named(bucket) -> None:
    """The client gives up at it, so it has to go, or be avoided."""
    bucket.put("in/a.csv", b"1")
    bucket.put("other//b.csv", b"1")

    assert len(scan(bucket, "in").settled) == 1
    with pytest.raises(SourceError, match=r"'other//b\.csv' has an empty part.*; rename that object"):
        scan(bucket, "")


def test_a_bucket_that_is_not_there_is_an_error(bucket) -> None:
    """And not an empty one."""
    nobody = type(bucket)(f"{bucket.address[:2]}://nobody-made-it", bucket.put)

    with pytest.raises(SourceError, match="nobody-made-it/in: cannot be listed"):
        scan(nobody, "in")
