"""How the suite opens spools, fills them and reads them."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from millstream.ports import Spool


class OpenSpool(Protocol):
    """Opens the spool of a store, as a new process would: what an earlier one did not sync may be gone."""

    def __call__(self, *, segment_bytes: int) -> Spool:
        """Open it; a new segment begins with the first piece that starts `segment_bytes` or more after the last."""
        ...


def sync(spool: Spool) -> None:
    """Sync from a synchronous test."""
    asyncio.run(spool.sync())


def content(spool: Spool, log: str, *ranges: tuple[int, int]) -> bytes:
    """What `read` yields for `ranges`, joined."""
    return b"".join(spool.read(log, ranges))


def fill(spool: Spool, log: str, pieces: Sequence[bytes]) -> int:
    """Recover an empty log, append and sync the pieces; returns its end."""
    spool.recover(log, 0)
    for piece in pieces:
        spool.append(log, piece)
    sync(spool)
    return sum(map(len, pieces))


class OnAStore:
    """Where the spools of a suite keep their bytes."""

    def store(self) -> AbstractContextManager[OpenSpool]:
        """A new and empty store; every spool that is opened on it within the `with` finds what earlier ones synced."""
        raise NotImplementedError

    @pytest.fixture
    def open_spool(self) -> Iterator[OpenSpool]:
        """The store of a test that needs only one."""
        with self.store() as open_spool:
            yield open_spool
