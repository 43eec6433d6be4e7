"""Buckets of real servers, of each kind."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from millstream.adapters.store import open_bucket
from millstream.core.container import ContainerAddress, parse_container

if TYPE_CHECKING:
    from servers.objects import S3, Azurite

BLOB = {"x-ms-blob-type": "BlockBlob"}


@dataclass(frozen=True)
class Bucket:
    """A new bucket; `put` takes any name, as other people's tools do."""

    address: str
    put: Callable[[str, bytes], object]
    open: Callable[[ContainerAddress], Any] = partial(open_bucket, read_only=True)

    def below(self, prefix: str = "") -> ContainerAddress:
        """The address of a prefix."""
        return parse_container(f"{self.address}/{prefix}")


@pytest.fixture(params=["s3", "az"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """One of each kind, with credentials in the environment."""
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3")
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        name = s3.bucket()
        return Bucket(f"s3://{name}", lambda key, data: s3.ask("PUT", f"/{name}/{key}", data))
    azurite: Azurite = request.getfixturevalue("azurite")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azurite.endpoint)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", azurite.account)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.key)
    name = azurite.container()
    return Bucket(f"az://{name}", lambda key, data: azurite.ask("PUT", f"/{name}/{key}", data, headers=BLOB))
