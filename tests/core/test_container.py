"""Addresses of containers, and the names of files in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.container import (
    LONGEST_NAME_BYTES,
    ContainerAddress,
    StoreKind,
    check_name,
    is_object_address,
    parse_container,
)
from millstream.errors import InvalidValueError, ObjectRefusedError


@pytest.mark.parametrize(
    ("text", "kind", "place", "prefix"),
    [
        ("incoming", StoreKind.FOLDER, "incoming", ""),
        ("/data/in coming/", StoreKind.FOLDER, "/data/in coming/", ""),
        ("./s3/x", StoreKind.FOLDER, "./s3/x", ""),
        ("c:odd", StoreKind.FOLDER, "c:odd", ""),
        ("s3://my-bucket", StoreKind.S3, "my-bucket", ""),
        ("s3://my.bucket/", StoreKind.S3, "my.bucket", ""),
        ("s3://bucket/2026/11", StoreKind.S3, "bucket", "2026/11"),
        ("s3://bucket/2026/11/", StoreKind.S3, "bucket", "2026/11"),
        ("s3://bucket/Größe 1/x=y", StoreKind.S3, "bucket", "Größe 1/x=y"),
        ("s3://bucket/.scratch", StoreKind.S3, "bucket", ".scratch"),
        ("az://container", StoreKind.AZURE, "container", ""),
        ("az://$web/a", StoreKind.AZURE, "$web", "a"),
    ],
)
def test_addresses_are_read(text: str, kind: StoreKind, place: str, prefix: str) -> None:
    """A path, or a scheme with a bucket and a prefix of whole parts."""
    assert parse_container(text) == ContainerAddress(kind=kind, place=place, prefix=prefix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\0b",
        "a\nb",
        "s3:",
        "s3:/bucket",
        "s3://",
        "s3:///key",
        "S3://bucket",
        "s3://ab",
        "s3://Bucket",
        "s3://bucket..x",
        "s3://-bucket",
        "s3://bucket:9000/x",
        "s3://bucket//x",
        "s3://bucket/x//",
        "s3://bucket/../other",
        "s3://bucket/./x",
        "s3://bucket/a\\b",
        "s3://bucket/a\tb",
        "az://con--tainer",
        "az://my.container",
        "az://con_tainer",
        "gs://bucket",
        "http://127.0.0.1/latest",
        "file:///etc",
    ],
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    """Of one line, under the name of the setting."""
    with pytest.raises(InvalidValueError, match=r"\Afolder: expected [^\n]+, found [^\n]+\Z"):
        parse_container(text, name="folder")


@pytest.mark.parametrize(
    "text", ["s3://AKIA123:verysecret@bucket/x", "az://container?sv=1&sig=verysecret", "http://u:verysecret@host/x"]
)
def test_an_error_does_not_repeat_credentials(text: str) -> None:
    """Who puts a key into an address by mistake does not find it in a log."""
    with pytest.raises(InvalidValueError) as raised:
        parse_container(text)

    assert "verysecret" not in str(raised.value)
    assert "credentials come from the environment" in str(raised.value)


_PART = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"], exclude_characters="/\\"), min_size=1)
PARTS = _PART.filter(lambda part: not part.startswith("."))


@given(kind=st.sampled_from(["s3", "az"]), parts=st.lists(PARTS, max_size=3))
def test_an_address_reads_back(kind: str, parts: list[str]) -> None:
    """What is written for people can be read again."""
    address = ContainerAddress(kind=StoreKind(kind), place="bucket", prefix="/".join(parts))

    assert parse_container(str(address)) == address
    assert is_object_address(str(address))
    assert address.named("x.csv") == f"{address}/x.csv"


@given(
    st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(lambda name: len(name.encode()) < LONGEST_NAME_BYTES)
)
def test_ordinary_names_are_taken(name: str) -> None:
    """Whatever the language."""
    assert check_name(name) == name


@given(st.text())
def test_no_name_that_is_taken_leads_out(name: str) -> None:
    """Below any folder, a name that passes is a place below that folder, and no hidden one."""
    try:
        parts = check_name(name).split("/")
    except ObjectRefusedError:
        return

    assert parts
    assert all(part and not part.startswith(".") for part in parts)
    assert "\\" not in name
    assert name.isprintable() or all(sign >= " " for sign in name)
    assert len(name.encode()) <= LONGEST_NAME_BYTES


@pytest.mark.parametrize("text", ["s3://bucket", "s3:bucket", "AZ://x", "S3:/x"])
def test_what_is_meant_as_an_object_store(text: str) -> None:
    """Right or wrong, so that it is never taken for a folder."""
    assert is_object_address(text)


def test_folders_are_not_object_stores() -> None:
    """Their names may begin alike."""
    assert not any(map(is_object_address, ["s3", "az", "s3/x", "az.csv", "./s3:x", "incoming/"]))
