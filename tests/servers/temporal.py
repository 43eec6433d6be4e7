"""Real Temporal for tests: `temporal`, shared by the session, and `own_temporal`, which a test may kill and restart."""

import uuid
from collections.abc import Iterator

import pytest
from dev import temporal as server
from dev.process import Running

from servers import own


class Temporal:
    """A development server, with what tests do most."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.address = running.address
        """`127.0.0.1:PORT`, as clients take it."""

    namespace = server.NAMESPACE

    def name(self) -> str:
        """A name for a task queue or a workflow that nobody else has."""
        return f"t{uuid.uuid4().hex[:12]}"


class OwnTemporal(own.Own, Temporal):
    """A server of a test's own."""

    server = server


@pytest.fixture(scope="session")
def temporal() -> Temporal:
    """The server that all tests of the session share; use task queues of your own."""
    return Temporal(own.shared(server))


@pytest.fixture
def own_temporal() -> Iterator[OwnTemporal]:
    """A server of the test's own, which it may kill."""
    yield from own.lent(OwnTemporal)
