"""What the API needs of the engine behind it, as a narrow Protocol; the composition root implements it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from millstream.core.ingestion import Acceptance, Compression, OnChange
from millstream.core.splitting import Format, Policy
from millstream.ports import Ledger
from millstream.ports.store import StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for one file, checked by form; None stands for what the service decides.

    `principal` is the name of the caller's key, "" without keys. `idempotency_key`, `fingerprint` and `limit` are those
    of `core.ingestion.Accept`. `quote` is "" where quotes are ordinary characters.
    """

    container: str
    file_name: str
    principal: str
    format: Format | None = None
    policy: Policy | None = None
    chunk_bytes: int | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    encoding: str | None = None
    compression: Compression | None = None
    on_change: OnChange | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that readiness depends on: `problem` is why it does not work just now, "" if it does.

    A part that is not `required` may be down while requests are still taken on: the jobs wait for it.
    """

    name: str
    problem: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """The workers of an engine in this process; `busy` of its `workers` run an attempt."""

    workers: int
    busy: int
    processes: int = 1


class Service(Protocol):
    """An engine that takes files on, as the API sees it.

    Without containers it is an engine that can only be looked at.
    """

    @property
    def ledger(self) -> Ledger:
        """Where everything is known."""
        ...

    @property
    def containers(self) -> Collection[str]:
        """The names of the containers that can be asked for."""
        ...

    def now(self) -> float:
        """The engine's time in seconds."""
        ...

    def head(self, container: str, *, name: str) -> StoredObject:
        """Size and version of a file; blocks, called from threads; raises as `ports.store.Store.head`."""
        ...

    async def accept(self, wanted: Wanted) -> Acceptance:
        """Take a file on, durably; raises MillstreamError when it cannot be taken on now."""
        ...

    def ring(self) -> None:
        """The ledger was changed: look what there is to do; never blocks."""
        ...

    async def check(self) -> Sequence[Part]:
        """Ledger, stores, sink and dispatcher, each looked at just now, within a few seconds."""
        ...

    def pool(self) -> PoolStatus | None:
        """The workers in this process, None if they are elsewhere."""
        ...
