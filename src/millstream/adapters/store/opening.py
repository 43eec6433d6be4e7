"""Opening a store by its address.

Theory of operation: credentials come from the environment or from a file, and from nowhere else. The client reads the
environment by itself; what stands in a file goes before it, and a key of the file is never mixed with a token of the
environment.

For S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL
(or AWS_ENDPOINT, or AWS_ENDPOINT_URL_S3, which goes first), AWS_SKIP_SIGNATURE for public buckets,
AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; without any of them, what the
machine itself is given by its cloud. For Azure: AZURE_STORAGE_ACCOUNT_NAME with one of AZURE_STORAGE_ACCOUNT_KEY,
AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID with AZURE_CLIENT_SECRET and AZURE_TENANT_ID; AZURE_STORAGE_ENDPOINT for
another endpoint, such as `http://127.0.0.1:10000/devstoreaccount1` of an emulator. An endpoint that begins with
`http://` is used without encryption, as it says.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.adapters.store.credentials import read_credentials
from millstream.adapters.store.local import LocalStore
from millstream.core.container import ContainerAddress, StoreKind, parse_container
from millstream.errors import CredentialsError, MissingExtraError, StoreUnavailableError
from millstream.ports.store import Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    from millstream.adapters.store.objects import ObjectStore

_ENDPOINTS = {
    StoreKind.S3: ("aws_endpoint_url_s3", "aws_endpoint_url", "aws_endpoint"),
    StoreKind.AZURE: ("azure_storage_endpoint", "azure_endpoint"),
}
_FAMILIES = {StoreKind.S3: "aws_", StoreKind.AZURE: "azure_"}
_ACCOUNT_KEYS = ("azure_storage_account_key", "azure_storage_access_key", "azure_storage_master_key")
_SIGNATURES = ("azure_storage_sas_token", "azure_storage_sas_key")

CONNECT_S = 5.0
ANSWER_S = 20.0
"""Longest silence of a store in the middle of a request."""
REQUEST_S = 120.0
"""Longest request; one carries at most 16 MiB."""


def open_store(address: str | ContainerAddress, *, credentials: Path | None = None, read_only: bool = False) -> Store:
    """The store at `address`: `DIR`, `s3://BUCKET[/PREFIX]` or `az://CONTAINER[/PREFIX]`.

    Nothing is asked of it yet, so whether it is there shows at its first use. Must not be called before a fork whose
    child uses it. Raises InvalidValueError, CredentialsError, MissingExtraError without the extra `objects`, and
    StoreUnavailableError when a setting of the environment cannot be right.
    """
    if isinstance(address, str):
        address = parse_container(address)
    if address.kind is StoreKind.FOLDER:
        return LocalStore(address.place, read_only=read_only)
    return open_bucket(address, credentials=credentials, read_only=read_only)


def open_bucket(
    address: ContainerAddress, *, credentials: Path | None = None, read_only: bool = False
) -> "ObjectStore":
    """The same for an address of S3 or Azure alone."""
    check_objects()
    import obstore.exceptions  # noqa: PLC0415 - an optional part

    from millstream.adapters.store.objects import ObjectStore, reason_of  # noqa: PLC0415

    given = read_credentials(credentials) if credentials is not None else {}
    own = {name: value for name, value in given.items() if name.startswith(_FAMILIES[address.kind])}
    try:
        bucket = _connect(address, own)
    except obstore.exceptions.UnknownConfigurationKeyError:
        raise CredentialsError(
            path=str(credentials),
            expected=f"names of settings that are known for {address.kind}",
            found=f"one of {', '.join(own)} that is not",
        ) from None
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise StoreUnavailableError(address=str(address), reason=reason_of(error)) from None
    return ObjectStore(bucket, address=address, read_only=read_only)


def check_objects() -> None:
    """Raise MissingExtraError when the client for object stores is not installed."""
    if find_spec("obstore") is None:  # it is imported where it is used, behind all forks
        raise MissingExtraError(extra="objects", feature="reading s3:// and az://")


def _connect(address: ContainerAddress, own: dict[str, str]) -> Any:
    from obstore.store import AzureStore, S3Store  # noqa: PLC0415 - an optional part

    client: ClientConfig = {
        "allow_http": _is_plain_http(address.kind, own),
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "read_timeout": timedelta(seconds=ANSWER_S),
        "timeout": timedelta(seconds=REQUEST_S),
    }
    retry: RetryConfig = {
        "max_retries": 1,
        "retry_timeout": timedelta(seconds=CONNECT_S),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
    }
    settings: Any = dict(own)
    if address.kind is StoreKind.S3:
        keys = _s3_keys(settings)
        return S3Store(
            address.place, config=settings, client_options=client, retry_config=retry, credential_provider=keys
        )
    words = _azure_keys(settings)
    return AzureStore(
        address.place, config=settings, client_options=client, retry_config=retry, credential_provider=words
    )


def _is_plain_http(kind: StoreKind, own: Mapping[str, str]) -> bool:
    """Whether the endpoint that will be used is one without encryption; the file's goes before the environment's."""
    for settings in (own, {name.lower(): value for name, value in os.environ.items()}):
        for name in _ENDPOINTS[kind]:
            if settings.get(name):
                return settings[name].lower().startswith("http://")
    return False


def _s3_keys(settings: dict[str, str]) -> Any:
    """A pair of keys of the file, with the file's token or none; None when it has no pair."""
    if not {"aws_access_key_id", "aws_secret_access_key"} <= settings.keys():
        return None
    keys = {
        "access_key_id": settings.pop("aws_access_key_id"),
        "secret_access_key": settings.pop("aws_secret_access_key"),
        "token": settings.pop("aws_session_token", None),
        "expires_at": None,
    }
    return lambda: keys


def _azure_keys(settings: dict[str, str]) -> Any:
    """The key or the signature of the file, in place of whatever the environment has; None when it has neither."""
    for names, word in ((_ACCOUNT_KEYS, "access_key"), (_SIGNATURES, "sas_token")):
        for name in names:
            if name in settings:
                keys = {word: settings.pop(name), "expires_at": None}
                return lambda: keys
    return None
