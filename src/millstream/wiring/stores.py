"""Containers by name.

Theory of operation: an ingestion names a container, never an address: what is behind a name is in the configuration of
whoever works it. The one exception are the containers of `millstream ingest PATH`, whose name is the absolute path of a
folder: a name that begins with `/` can be no configured one, and no request can ask for it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from millstream.adapters.store import open_store
from millstream.errors import StoreUnavailableError
from millstream.ports.store import Store

PATH_MARK = "/"


class Containers:
    """Opens containers; `addresses` are those that are configured, by name."""

    def __init__(self, addresses: Mapping[str, str], *, credentials: Path | None = None) -> None:
        self._addresses = dict(addresses)
        self._credentials = credentials

    @property
    def names(self) -> Collection[str]:
        """Those that requests may name."""
        return self._addresses.keys()

    def open(self, name: str) -> Store:
        """A container; raises StoreUnavailableError for one that is not configured (any more): the job waits for it."""
        if name.startswith(PATH_MARK):
            return open_store(name, read_only=True)
        address = self._addresses.get(name)
        if address is None:
            raise StoreUnavailableError(address=name, reason="no container of that name is configured here")
        return open_store(address, credentials=self._credentials, read_only=True)
