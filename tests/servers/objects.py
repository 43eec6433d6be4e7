"""Object stores for tests: `azurite` (Azure Blob) and `s3`, shared by the session, and own ones to kill and restart."""

import base64
import hashlib
import hmac
import http.client
import uuid
from collections.abc import Iterator, Mapping
from email.utils import formatdate

import pytest
from dev import azurite as azure_server
from dev import s3 as s3_server
from dev.process import Running

from servers import own


class Azurite:
    """An emulator of Azure Blob Storage, with what clients must know."""

    account = azure_server.ACCOUNT
    key = azure_server.KEY

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    @property
    def endpoint(self) -> str:
        """The account's own address."""
        return f"http://{self.address}/{self.account}"

    @property
    def connection_string(self) -> str:
        """What Azure's own clients take."""
        words = {"DefaultEndpointsProtocol": "http", "AccountName": self.account, "AccountKey": self.key}
        return ";".join(f"{name}={word}" for name, word in (words | {"BlobEndpoint": self.endpoint}).items())

    def container(self) -> str:
        """Make a container; returns its name, which is unique."""
        name = f"t{uuid.uuid4().hex[:12]}"
        assert self.ask("PUT", f"/{name}", resource="restype:container")[0] == 201
        return name

    def ask(
        self, method: str, path: str, body: bytes = b"", *, resource: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer to a signed request, such as to put or get `/container/blob`.

        `resource` is the query, as `name:value`; `headers` are those of Azure, named `x-ms-...`, in small letters.
        """
        ours = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"} | dict(headers or {})
        length = str(len(body)) if body else ""
        signed = [method, "", "", length, *[""] * 8, *(f"{name}:{ours[name]}" for name in sorted(ours))]
        signed.append(f"/{self.account}/{self.account}{path}" + (f"\n{resource}" if resource else ""))
        key = base64.b64decode(self.key)
        signature = base64.b64encode(hmac.digest(key, "\n".join(signed).encode(), hashlib.sha256)).decode()
        query = f"?{resource.replace(':', '=')}" if resource else ""
        ours["Authorization"] = f"SharedKey {self.account}:{signature}"
        return _asked(self.address, method, f"/{self.account}{path}{query}", body, ours)


class S3:
    """An S3 server, which takes any key, with what tests do most."""

    region = "us-east-1"
    access_key = "mill"
    secret_key = "mill"  # noqa: S105 - nobody checks it

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    @property
    def endpoint(self) -> str:
        """Where clients connect; buckets are in the path."""
        return f"http://{self.address}"

    def bucket(self) -> str:
        """Make a bucket; returns its name, which is unique."""
        name = f"t{uuid.uuid4().hex[:12]}"
        assert self.ask("PUT", f"/{name}")[0] == 200
        return name

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer to a plain request, such as to put or get `/bucket/key`."""
        return _asked(self.address, method, path, body, {"Authorization": _SIGNED.format(key=self.access_key)})


_SIGNED = "AWS4-HMAC-SHA256 Credential={key}/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def _asked(address: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class OwnAzurite(own.Own, Azurite):
    """An emulator of a test's own."""

    server = azure_server


class OwnS3(own.Own, S3):
    """An S3 server of a test's own; what is killed starts again empty."""

    server = s3_server


@pytest.fixture(scope="session")
def azurite() -> Azurite:
    """The emulator that all tests of the session share; use containers of your own."""
    return Azurite(own.shared(azure_server))


@pytest.fixture
def own_azurite() -> Iterator[OwnAzurite]:
    """An emulator of the test's own, which it may kill."""
    yield from own.lent(OwnAzurite)


@pytest.fixture(scope="session")
def s3() -> S3:
    """The S3 server that all tests of the session share; use buckets of your own."""
    return S3(own.shared(s3_server))


@pytest.fixture
def own_s3() -> Iterator[OwnS3]:
    """An S3 server of the test's own, which it may kill."""
    yield from own.lent(OwnS3)
