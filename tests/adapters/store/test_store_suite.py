"""The conformance suite, on a folder, on S3 and on Azure Blob Storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from millstream.adapters.store import open_store
from millstream.testing.store_suite import MakeStore, StoreSuite
from servers.objects import S3, Azurite


class TestLocal(StoreSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @contextmanager
    def container(self) -> Iterator[MakeStore]:
        yield partial(open_store, str(self.folder))


class TestS3(StoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, s3_environment: S3) -> None:
        self.server = s3_environment

    @contextmanager
    def container(self) -> Iterator[MakeStore]:
        yield partial(open_store, f"s3://{self.server.bucket()}")


class TestS3Prefix(TestS3):
    @contextmanager
    def container(self) -> Iterator[MakeStore]:
        bucket = self.server.bucket()
        self.server.ask("PUT", f"/{bucket}/outside.csv", b"1")
        self.server.ask("PUT", f"/{bucket}/some/prefixed.csv", b"1")
        yield partial(open_store, f"s3://{bucket}/some/prefix/")


class TestAzure(StoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, azure_environment: Azurite) -> None:
        self.server = azure_environment

    @contextmanager
    def container(self) -> Iterator[MakeStore]:
        yield partial(open_store, f"az://{self.server.container()}")


class TestAzurePrefix(TestAzure):
    @contextmanager
    def container(self) -> Iterator[MakeStore]:
        yield partial(open_store, f"az://{self.server.container()}/some/prefix")
