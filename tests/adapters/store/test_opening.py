"""Stores opened by address, with credentials from the environment or from a file, on real servers."""

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millstream.adapters.store import open_bucket, open_store
from millstream.core.container import parse_container
from millstream.errors import (
    CredentialsError,
    InvalidValueError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectRefusedError,
    StoreUnavailableError,
)
from servers.objects import S3, Azurite, OwnS3

GONE_S = 20.0
SECRET = "verysecret"  # noqa: S105 - it is none


def written(path: Path, **values: str) -> Path:
    """A file of credentials."""
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()), encoding="utf-8")
    path.chmod(0o600)
    return path


def test_what_is_no_address_is_not_opened() -> None:
    """The error is that of the setting."""
    for address in ("gs://bucket", "s3://", "az://UPPER", ""):
        with pytest.raises(InvalidValueError):
            open_store(address)


# --- credentials ------------------------------------------------------------------------------------------------------


def test_a_file_of_credentials_goes_before_the_environment_in_azure(
    azure_environment: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key in the environment does no harm, and a wrong one in the file is not mended by it."""
    address = f"az://{azure_environment.container()}"
    wrong = base64.b64encode(b"wrong").decode()
    right = {"azure_storage_account_key": azure_environment.key, "aws_region": "eu-west-1"}
    good = written(tmp_path / "good", **right)
    bad = written(tmp_path / "bad", azure_storage_account_key=wrong)
    put = open_store(address).put("data.csv", [b"1"])

    with pytest.raises(StoreUnavailableError):
        open_store(address, credentials=bad).head("data.csv")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", wrong)
    with pytest.raises(StoreUnavailableError):
        open_store(address).head("data.csv")
    assert open_store(address, credentials=good).head("data.csv") == put


def test_a_file_of_credentials_is_enough(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, region and endpoint may all stand there."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another key")
    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
    path = written(tmp_path / "keys", **keys, region=s3.region, endpoint_url=s3.endpoint)

    store = open_store(f"s3://{s3.bucket()}", credentials=path)

    assert store.put("data.csv", [b"1"]) == store.head("data.csv")


def test_a_setting_that_nobody_knows_is_an_error(s3_environment: S3, tmp_path: Path) -> None:
    """A name that is misspelt is not passed over."""
    path = written(tmp_path / "keys", aws_secret_acces_key=SECRET)

    with pytest.raises(CredentialsError, match="aws_secret_acces_key") as raised:
        open_store(f"s3://{s3_environment.bucket()}", credentials=path)
    assert SECRET not in str(raised.value)


def test_a_signature_is_not_repeated(azure_environment: Azurite, tmp_path: Path) -> None:
    """What is refused is told without the token that was tried."""
    path = written(tmp_path / "keys", azure_storage_sas_token=f"sv=2021&sig={SECRET}")
    store = open_store(f"az://{azure_environment.container()}", credentials=path)

    for ask in (lambda: store.head("x"), lambda: list(store.list()), lambda: store.put("x", [b"1"])):
        with pytest.raises(StoreUnavailableError) as raised:
            ask()
        assert SECRET not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_without_an_account_azure_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said at once."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)

    with pytest.raises(StoreUnavailableError, match="Account must be specified"):
        open_store("az://container")


# --- what is not there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_a_bucket_that_is_not_there_is_unavailable(s3_environment: S3, azure_environment: Azurite, scheme: str) -> None:
    """It is not taken for an empty one; only of one file nobody can tell."""
    store = open_store(f"{scheme}://nobody-made-it")

    for ask in (lambda: list(store.list()), lambda: store.put("x", [b"1"])):
        with pytest.raises(StoreUnavailableError, match=r"NoSuchBucket|ContainerNotFound"):
            ask()
    with pytest.raises(ObjectMissingError):
        store.head("x")


def test_a_store_that_is_down_is_told_soon_and_comes_back(own_s3: OwnS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call waits for ever, and the same store works again afterwards."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", own_s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mill")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mill")
    bucket = own_s3.bucket()
    store = open_store(f"s3://{bucket}")
    store.put("data.csv", [b"1"])
    own_s3.kill()

    began = time.monotonic()
    for ask in (
        lambda: store.head("data.csv"),
        lambda: store.read("data.csv", version="x", start=0, end=1),
        lambda: list(store.stream("data.csv", version="x")),
        lambda: list(store.list()),
        lambda: store.put("data.csv", iter([b"2"])),
        lambda: store.delete("data.csv"),
    ):
        with pytest.raises(StoreUnavailableError, match=f"s3://{bucket} cannot be reached"):
            ask()
    assert time.monotonic() - began < GONE_S
    own_s3.start()
    own_s3.ask("PUT", f"/{bucket}")
    assert store.put("data.csv", [b"3"]).size_bytes == 1


def test_a_large_file_that_is_replaced_while_it_is_read_is_noticed(s3_environment: S3) -> None:
    """With the next window at the latest, whose request carries If-Match."""
    store = open_store(f"s3://{s3_environment.bucket()}")
    version = store.put("data", [b"a" * (20 << 20)]).version
    stream = store.stream("data", version=version)
    next(stream)
    store.put("data", [b"b" * (20 << 20)])

    with pytest.raises(ObjectChangedError):
        list(stream)


# --- other people's buckets -------------------------------------------------------------------------------------------


def test_folders_of_a_bucket_are_no_files(s3_environment: S3) -> None:
    """Consoles keep a folder by an empty object whose name ends with a slash; an empty file is still one."""
    bucket = s3_environment.bucket()
    for name in ("folder/", "folder/data.csv", "empty.csv"):
        s3_environment.ask("PUT", f"/{bucket}/{name}", b"1" if name.endswith("data.csv") else b"")

    assert [found.name for found in open_store(f"s3://{bucket}").list()] == ["empty.csv", "folder/data.csv"]


def test_names_that_are_refused_are_told_of(s3_environment: S3) -> None:
    """They are not listed, as they cannot be read; but who asks for everything hears of them."""
    bucket = s3_environment.bucket()
    for name in ("good.csv", ".hidden", "a%5Cb"):
        s3_environment.ask("PUT", f"/{bucket}/{name}", b"1")
    store = open_bucket(parse_container(f"s3://{bucket}"))

    assert [found.name for found in store.list()] == ["good.csv"]
    assert [found.name for found in store.everything()] == [".hidden", "a\\b", "good.csv"]


def test_a_name_with_an_empty_part_is_named(s3_environment: S3) -> None:
    """The client can list nothing beside it, so the error says which one it is."""
    bucket = s3_environment.bucket()
    s3_environment.ask("PUT", f"/{bucket}/a//b.csv", b"1")

    with pytest.raises(ObjectRefusedError, match=r"'a//b\.csv'.*nothing beside it can be listed"):
        list(open_store(f"s3://{bucket}").list())


# --- memory -----------------------------------------------------------------------------------------------------------

MEASURE = """
import re, sys
from millstream.adapters.store import open_store
store = open_store(sys.argv[1])
def peak_kib(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
def blocks(count): return (bytes((number,)) * (1 << 20) for number in range(count))
version = store.put("warm", blocks(100)).version
list(map(len, store.stream("warm", version=version)))
before = peak_kib()
found = store.put("data", blocks(200))
assert found.size_bytes == sum(map(len, store.stream("data", version=found.version))) == 200 << 20
print((peak_kib() - before) >> 10, before >> 10)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(azure_environment: Azurite) -> None:
    """200 MiB are written and read with as much memory as 100."""
    address = f"az://{azure_environment.container()}"

    measured = subprocess.run([sys.executable, "-c", MEASURE, address], capture_output=True, text=True, check=True)

    grown, before = map(int, measured.stdout.split())
    assert grown < 32, f"{grown} MiB more than the {before} MiB of before"
    assert before < 200
