"""The service, embedded or grown, as the HTTP API sees it."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from millstream.config.ingesting import guess_format
from millstream.core.ingestion import Acceptance, Compression, FileSpec, OnChange
from millstream.core.queries import ReadTotals
from millstream.core.splitting import DEFAULT_CHUNK_BYTES, Dialect, Format, Policy
from millstream.errors import MillstreamError, ObjectMissingError
from millstream.ingest.accepting import new_message_id
from millstream.ports import Ledger
from millstream.ports.store import Store, StoredObject
from millstream.web.service import Part, PoolStatus, Wanted
from millstream.wiring.ingest import EmbeddedIngest
from millstream.wiring.sinks import SinkAddress

if TYPE_CHECKING:
    from millstream.ports.sink import Sink
    from millstream.wiring.grown_ingest import GrownIngest

PROBE = "millstream-looks-whether-this-store-answers"
CHECK_S = 5.0


class IngestService:
    """Implements web.service.Service on an `EmbeddedIngest` or `GrownIngest` that was started.

    What requests leave open is decided here: records go to `sink`, in chunks of `chunk_bytes`.
    """

    def __init__(
        self, ingest: "EmbeddedIngest | GrownIngest", *, sink: SinkAddress, chunk_bytes: int = DEFAULT_CHUNK_BYTES
    ) -> None:
        self._ingest = ingest
        self._sink = sink
        self._chunk_bytes = chunk_bytes
        self._lock = threading.Lock()
        self._stores: dict[str, Store] = {}
        self._opened: Sink | None = None

    @property
    def ledger(self) -> Ledger:
        """Where everything is known."""
        return self._ingest.ledger

    @property
    def containers(self) -> Collection[str]:
        """The names of the containers that can be asked for."""
        return self._ingest.containers.names

    def now(self) -> float:
        """The engine's time in seconds."""
        return self._ingest.clock.now()

    def head(self, container: str, *, name: str) -> StoredObject:
        """Size and version of a file; blocks, called from threads; raises as `ports.store.Store.head`."""
        with self._lock:
            store = self._stores.get(container)
            if store is None:
                store = self._stores[container] = self._ingest.containers.open(container)
        return store.head(name)

    async def accept(self, wanted: Wanted) -> Acceptance:
        """Take a file on, durably, and begin."""
        return await self._ingest.accept(
            self.spec(wanted),
            principal=wanted.principal,
            idempotency_key=wanted.idempotency_key,
            fingerprint=wanted.fingerprint,
            limit=wanted.limit,
        )

    def spec(self, wanted: Wanted) -> FileSpec:
        """What a request comes to; a file whose name does not tell its format is one of plain lines."""
        guessed, delimiter = guess_format(wanted.file_name) or (Format.LINES, ",")
        dialect = Dialect(
            format=wanted.format or guessed,
            encoding=wanted.encoding or "utf-8",
            delimiter=wanted.delimiter or delimiter,
            quote='"' if wanted.quote is None else wanted.quote or None,
            header=True if wanted.header is None else wanted.header,
        )
        return FileSpec(
            message_id=new_message_id(self.now(), draw_bytes=os.urandom),
            container=wanted.container,
            name=wanted.file_name,
            sink=self._sink.shown,
            dialect=dialect,
            policy=wanted.policy or Policy.STRICT,
            chunk_bytes=wanted.chunk_bytes or self._chunk_bytes,
            compression=wanted.compression or Compression.AUTO,
            on_change=wanted.on_change or OnChange.FAIL,
        )

    def ring(self) -> None:
        """The ledger was changed: look what there is to do; never blocks."""
        self._ingest.ring()

    async def check(self) -> Sequence[Part]:
        """Ledger, stores, sink and dispatcher, each looked at just now, within a few seconds."""
        looks = [asyncio.ensure_future(_look("ledger", self._ask_ledger(), is_required=True))]
        looks += [
            asyncio.ensure_future(
                _look(f"container {name}", asyncio.to_thread(partial(self._probe, name)), is_required=False)
            )
            for name in self.containers
        ]
        looks.append(asyncio.ensure_future(_look("sink", asyncio.to_thread(self._check_sink), is_required=False)))
        looks.append(asyncio.ensure_future(_look("dispatcher", self._ask_dispatcher(), is_required=False)))
        return await asyncio.gather(*looks)

    def pool(self) -> PoolStatus | None:
        """The workers of this process, None if they are elsewhere."""
        if not isinstance(self._ingest, EmbeddedIngest):
            return None
        settings = self._ingest.settings
        return PoolStatus(workers=settings.workers, busy=self._ingest.busy, processes=settings.hosts)

    async def _ask_ledger(self) -> None:
        await self.ledger.read(ReadTotals())

    async def _ask_dispatcher(self) -> None:
        """Ask the bell; an embedded dispatcher is this process, whose end is the end of the service."""
        if not isinstance(self._ingest, EmbeddedIngest):
            await self._ingest.check()

    def _probe(self, container: str) -> None:
        try:
            self.head(container, name=PROBE)
        except ObjectMissingError:
            return

    def _check_sink(self) -> None:
        with self._lock:
            if self._opened is None:
                self._opened = self._ingest.sinks.open(self._sink.shown)
        self._opened.check()


async def _look(name: str, asking: Awaitable[object], *, is_required: bool) -> Part:
    problem = ""
    try:
        async with asyncio.timeout(CHECK_S):
            await asking
    except TimeoutError:
        problem = f"no answer within {CHECK_S:g} s"
    except MillstreamError as error:
        problem = str(error)
    return Part(name=name, problem=problem, required=is_required)
