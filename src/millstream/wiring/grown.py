"""What the parts of a grown service do with files: where they are, how they are read, where records go."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millstream.adapters.store import open_store
from millstream.config.dispatching import DispatchConfig
from millstream.config.serving import Serving
from millstream.core.ingestion import PIPELINE
from millstream.core.model import Kind
from millstream.core.retry import RetryPolicy
from millstream.ingest.handler import Outside, handler_of
from millstream.ingest.unpacking import UnpackLimits
from millstream.ports.store import Store
from millstream.wiring.ingest import COPIES, IngestSettings
from millstream.wiring.sinks import SinkAddress, Sinks, read_sink
from millstream.wiring.stores import Containers
from millstream.wiring.worker import WorkerPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Containers, sinks and the store of copies, as all processes of the service have them."""

    containers: Containers
    sinks: Sinks
    sink: SinkAddress
    open_scratch: Callable[[], Store]


def open_shop(serving: Serving, dispatch: DispatchConfig) -> Shop:
    """Look at the settings; raises InvalidValueError. Nothing is connected."""
    credentials = Path(serving.serve.credentials) if serving.serve.credentials else None
    sink = read_sink(serving.sink, one_per_message=serving.serve.one_per_message)
    scratch = dispatch.scratch or str(Path(serving.engine.state, COPIES).absolute())

    def open_scratch() -> Store:
        if "://" not in scratch:
            Path(scratch).mkdir(parents=True, exist_ok=True)
        return open_store(scratch, credentials=credentials)

    return Shop(
        containers=Containers(
            {container.name: container.address for container in serving.containers}, credentials=credentials
        ),
        sinks=Sinks((sink,)),
        sink=sink,
        open_scratch=open_scratch,
    )


def ingest_pipeline(serving: Serving, shop: Shop) -> WorkerPipeline:
    """The pipeline of ingestions as a worker works it."""
    outside = Outside(
        open_store=shop.containers.open,
        open_sink=shop.sinks.open,
        open_scratch=shop.open_scratch,
        limits=UnpackLimits(max_bytes=serving.serve.max_unpacked, max_ratio=serving.serve.max_ratio),
    )
    config = serving.serve
    return WorkerPipeline(
        name=PIPELINE,
        kind=Kind.CHUNK,
        make=handler_of(outside),
        workers=config.workers,
        processes=hosts_of(serving),
        retry=RetryPolicy(retries=config.retries, backoff_s=config.backoff),
    )


def hosts_of(serving: Serving) -> int:
    """How many worker hosts there are."""
    config = serving.serve
    settings = IngestSettings(state=Path(serving.engine.state), workers=config.workers, processes=config.processes)
    return settings.hosts
