"""The parts of each pipeline, joined."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from millstream.adapters.jsonkey import json_key_reader
from millstream.adapters.spool import SegmentSpool
from millstream.config import Config, EngineConfig, FilesConfig, StreamConfig, WorkConfig
from millstream.core.minibatch import Limits
from millstream.core.packing import CostModel
from millstream.core.retry import RetryPolicy
from millstream.core.terms import Terms
from millstream.errors import ConfigurationError
from millstream.ports import Clock, Ledger
from millstream.ports.bell import Bell
from millstream.ports.store import Store
from millstream.runtime.dispatch import WorkSettings
from millstream.runtime.engine import MakeIntake, Pipeline
from millstream.runtime.events import Events
from millstream.runtime.files import FilesIntake, FilesSettings
from millstream.runtime.janitor import Kept
from millstream.runtime.nursery import Nursery
from millstream.runtime.payload import PayloadKeeper
from millstream.runtime.pool import HostPool
from millstream.runtime.ringer import Ringer
from millstream.runtime.stream import StreamIntake, StreamSettings
from millstream.runtime.summary import Tallies
from millstream.wiring.inputs import schedule_of, source_of, strategy_of
from millstream.wiring.objects import lister_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """How batches get worked on other machines: who is rung, and where the records of streams are put."""

    bell: Bell
    payloads: Store | None
    space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What all pipelines share; batches are worked by hosts of `nursery`, or `elsewhere`."""

    state: Path
    ledger: Ledger
    clock: Clock
    events: Events
    tallies: Tallies
    nursery: Nursery | None = None
    elsewhere: Elsewhere | None = None


def stream_pipeline(stream: StreamConfig, engine: EngineConfig, parts: Parts, kept: list[Kept]) -> Pipeline:
    """A stream: its spool, intake and workers; the spool is added to `kept`."""
    spool = SegmentSpool(spool_folder(parts.state, stream.name))
    kept.append(Kept(pipeline=stream.name, spool=spool, keyed=stream.key is not None))
    settings = StreamSettings(
        name=stream.name,
        limits=Limits(
            window_s=stream.window,
            max_count=stream.max_count,
            max_bytes=stream.max_bytes,
            idle_gap_s=stream.idle_gap,
            max_keys=stream.max_keys,
        ),
        key=stream.key,
        sync_every_s=stream.sync_every,
        max_spool_bytes=stream.max_spool,
        close_on_drain=engine.drain == "close",
    )

    def make_intake(on_ready: Callable[[], None]) -> StreamIntake:
        return StreamIntake(
            settings,
            source=source_of(stream, parts.clock),
            spool=spool,
            ledger=parts.ledger,
            clock=parts.clock,
            events=parts.events,
            on_ready=on_ready,
            key_reader=json_key_reader(stream.key) if stream.key else None,
        )

    work = _work_settings(stream, stream.name)
    if parts.elsewhere is not None:
        ringer = _stream_ringer(stream, spool, parts, parts.elsewhere)
        return Pipeline(work=work, pool=None, make_intake=make_intake, dispatching=ringer)
    return _pipeline(stream, work, parts, make_intake)


def files_pipeline(files: FilesConfig, engine: EngineConfig, parts: Parts) -> Pipeline:
    """A files pipeline: its intake and workers."""

    def make_intake(on_ready: Callable[[], None]) -> FilesIntake:
        return files_intake(
            files, engine, ledger=parts.ledger, clock=parts.clock, events=parts.events, on_ready=on_ready
        )

    # Writers live by the real clock, so a file that changed settles by it.
    work = replace(_work_settings(files, files.name), resettle_s=files.settle * parts.clock.speed)
    if parts.elsewhere is not None:
        ringer = _ringer(files.name, parts, parts.elsewhere, keeper=None)
        return Pipeline(work=work, pool=None, make_intake=make_intake, dispatching=ringer)
    return _pipeline(files, work, parts, make_intake)


def _work_settings(work: WorkConfig, name: str) -> WorkSettings:
    return WorkSettings(
        pipeline=name,
        workers=work.workers,
        queue=work.queue,
        max_bytes=work.max_memory,
        retry=RetryPolicy(retries=work.retries, backoff_s=work.backoff),
    )


def _pipeline(work: WorkConfig, settings: WorkSettings, parts: Parts, make_intake: MakeIntake) -> Pipeline:
    if parts.nursery is None:
        raise ValueError(f"{settings.pipeline}: expected a nursery, or somewhere else to have batches worked")
    pool = host_pool(work, settings.pipeline, nursery=parts.nursery, speed=parts.clock.speed)
    return Pipeline(work=settings, pool=pool, make_intake=make_intake)


def host_pool(work: WorkConfig, name: str, *, nursery: Nursery, speed: float = 1.0) -> HostPool:
    """The worker hosts of a pipeline."""
    return HostPool(
        nursery,
        name=name,
        slots=work.workers,
        processes=work.processes,
        timeout_s=work.timeout,
        speed=speed,
        max_host_bytes=work.max_host,
    )


def _stream_ringer(stream: StreamConfig, spool: SegmentSpool, parts: Parts, elsewhere: Elsewhere) -> Ringer:
    if elsewhere.payloads is None:
        raise ConfigurationError([f"{stream.name}: payloads: expected a store that all workers reach, found none"])
    keeper = PayloadKeeper(
        stream.name, space=elsewhere.space, store=elsewhere.payloads, read=spool.read, ledger=parts.ledger
    )
    return _ringer(stream.name, parts, elsewhere, keeper=keeper)


def _ringer(name: str, parts: Parts, elsewhere: Elsewhere, *, keeper: PayloadKeeper | None) -> Ringer:
    return Ringer(
        name,
        bell=elsewhere.bell,
        ledger=parts.ledger,
        clock=parts.clock,
        events=parts.events,
        prepare=None if keeper is None else keeper.keep,
        clean=None if keeper is None else keeper.clean,
    )


def files_intake(
    files: FilesConfig,
    engine: EngineConfig,
    *,
    ledger: Ledger,
    clock: Clock,
    events: Events,
    on_ready: Callable[[], None],
) -> FilesIntake:
    """The intake of a files pipeline; also used to show a plan without working it."""
    outputs = [path for path in (files.copy_to, files.merge_to, engine.state) if path]
    settings = FilesSettings(
        name=files.name,
        capacity=files.capacity,
        strategy=strategy_of(files),
        workers=files.workers,
        open_cost=files.open_cost,
        max_files=files.max_files,
        group_by_folder=files.group == "dir",
        cost=CostModel(
            seconds_per_byte=1 / files.bandwidth,
            seconds_per_file=files.file_cost,
            seconds_per_bucket=files.bucket_cost,
        ),
        schedule=schedule_of(files),
        settle_s=files.settle,
    )
    lister = lister_of(files, exclude=outputs)
    return FilesIntake(settings, lister=lister, ledger=ledger, clock=clock, events=events, on_ready=on_ready)


def spool_folder(state: Path, pipeline: str) -> Path:
    """Where the records of a stream are."""
    return state / "spool" / pipeline


def terms_of(config: Config) -> dict[str, Terms]:
    """What `explain` must know of the settings, in the ledger so that it can be asked beside the engine."""
    streams = {
        stream.name: Terms(
            workers=stream.workers,
            retries=stream.retries,
            idle_gap_s=stream.idle_gap,
            max_count=stream.max_count,
            max_bytes=stream.max_bytes,
        )
        for stream in config.streams
    }
    return streams | {files.name: Terms(workers=files.workers, retries=files.retries) for files in config.files}
