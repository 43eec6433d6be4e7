"""Real PostgreSQL for tests: `postgres`, shared by the session, and `own_postgres`, which a test may kill."""

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev import postgres as server
from dev.process import Running

from servers import own


class Postgres:
    """A server, with what tests do most; it trusts everybody."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`."""

    @property
    def url(self) -> str:
        """Where clients connect: a database that all tests share; take a schema of your own."""
        return f"postgresql://{server.ROLE}@{self.address}/postgres"

    def name(self) -> str:
        """A name for a schema or a table that nobody else has."""
        return f"t{uuid.uuid4().hex[:12]}"


class OwnPostgres(own.Own, Postgres):
    """A server of a test's own."""

    server = server

    def freeze(self) -> None:
        """Stop all of its processes with SIGSTOP, the first one first, so that it starts no more."""
        for running in self._all():
            own.freeze(running)

    def thaw(self) -> None:
        """Let them go on after `freeze`."""
        for running in self._all():
            running.send(signal.SIGCONT)

    def _all(self) -> Iterator[Running]:
        """Its first process, then those that it has by then; their command lines name what they do, not the folder."""
        yield self.running
        listed = Path(f"/proc/{self.running.pid}/task/{self.running.pid}/children")
        pids = [int(word) for word in listed.read_text().split()]
        for pid in pids:
            yield Running(name=server.NAME, pid=pid, address=self.address, folder="postgres:")


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The server that all tests of the session share; use schemas of your own."""
    return Postgres(own.shared(server))


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """A server of the test's own, which it may kill."""
    yield from own.lent(OwnPostgres)
