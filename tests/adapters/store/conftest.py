"""Object stores with their credentials in the environment."""

import pytest

from servers.objects import S3, Azurite


@pytest.fixture
def s3_environment(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, which the environment leads to."""
    enter_s3(s3, monkeypatch)
    return s3


@pytest.fixture
def azure_environment(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Azurite:
    """The emulator, which the environment leads to."""
    enter_azure(azurite, monkeypatch)
    return azurite


def enter_s3(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment lead to a server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_REGION", s3.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)


def enter_azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment lead to an emulator."""
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azurite.endpoint)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", azurite.account)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.key)
