"""What works the batches of ingestions in a worker host.

Theory of operation: containers and sinks are opened in the host, when a batch first needs them, and kept; what opens
them is inherited through fork, so no address or credential travels with a batch. What an attempt found is left in
`context.report`. Errors that mean "not now" (a store or sink that is down) are raised: the batch then waits.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from millstream.core.ingestion import ChunkTask, Spoiled
from millstream.core.model import Discard, Done, Outcome
from millstream.errors import MillstreamError
from millstream.ingest.copying import Places
from millstream.ingest.heap import use_few_heaps
from millstream.ingest.planning import plan_step
from millstream.ingest.unpacking import UnpackLimits
from millstream.ingest.working import Publisher
from millstream.ports.sink import Publication, Sink
from millstream.ports.store import Store
from millstream.runtime.batch import Batch, Context, Handler, MakeHandler

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How the outside world is reached.

    `open_store` takes the name of a container and `open_sink` the address of a sink, as in a FileSpec; both raise
    MillstreamError for what is not configured. `open_scratch` is for copies.
    """

    open_store: Callable[[str], Store]
    open_sink: Callable[[str], Sink]
    open_scratch: Callable[[], Store]
    limits: UnpackLimits


class UnknownPlaceError(MillstreamError):
    """A container or sink of an ingestion is not configured here."""


def handler_of(outside: Outside) -> MakeHandler:
    """What makes the handler; to be given to the worker hosts of the pipeline."""
    return partial(_make, outside)


def _make(outside: Outside) -> Handler:
    use_few_heaps()
    return IngestHandler(outside)


class _Kept(Generic[Opened]):
    """Opens each thing once, whichever thread asks first."""

    def __init__(self, open_one: Callable[[str], Opened]) -> None:
        self._open = open_one
        self._lock = threading.Lock()
        self._opened: dict[str, Opened] = {}

    def get(self, name: str) -> Opened:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]


class IngestHandler:
    """Works plan steps and chunks; used by many threads."""

    def __init__(self, outside: Outside) -> None:
        self._limits = outside.limits
        self._stores = _Kept(outside.open_store)
        self._sinks = _Kept(outside.open_sink)
        self._scratch = _Kept(lambda _: outside.open_scratch())
        self._publisher = Publisher()

    def __call__(self, batch: Batch, context: Context) -> Outcome:
        """Work one batch; leaves what it found in `context.report`."""
        task = batch.plan or batch.chunk
        if task is None:
            raise ValueError(f"{batch.id} is neither a plan step nor a chunk")
        try:
            places = self._places(task.spec.container, heartbeat=context.heartbeat)
            sink = self._sinks.get(task.spec.sink)
        except UnknownPlaceError as error:
            context.report = Spoiled(reason=str(error))
            return Discard(str(error))
        if isinstance(task, ChunkTask):
            return self._publish(task, batch=batch, context=context, places=places, sink=sink)
        context.report = found = plan_step(task, places=places)
        return Discard(found.reason) if isinstance(found, Spoiled) else Done(f"{len(found.chunks)} chunks")

    def _publish(self, task: ChunkTask, *, batch: Batch, context: Context, places: Places, sink: Sink) -> Outcome:
        publication = Publication(
            batch_id=batch.id,
            message_id=task.spec.message_id,
            seq=task.chunk.seq,
            fence=batch.fence,
            attempt=context.attempt,
            first_record=task.chunk.first_record,
        )
        context.report = found = self._publisher.publish(task, publication=publication, places=places, sink=sink)
        return Discard(found.reason) if isinstance(found, Spoiled) else Done(f"{found.published} records")

    def _places(self, container: str, *, heartbeat: Callable[[], None]) -> Places:
        return Places(
            store=self._stores.get(container),
            scratch=self._scratch.get(""),
            limits=self._limits,
            heartbeat=heartbeat,
        )
