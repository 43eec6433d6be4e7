"""The composition root: settings in, a running engine out. The only module that knows every room.

Theory of operation: the order matters. The state folder is locked first; then the nursery is forked, while this process
has no thread, and inherits the lock; only then do the event loop, the ledger's thread and everything else start.
"""

import asyncio
import importlib
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from millstream.adapters.clock import Anchor, SystemClock
from millstream.adapters.filework import CopyTo, MergeFormat, MergeTo, Verify
from millstream.adapters.folder import FolderLister, common_root
from millstream.adapters.jsonkey import json_key_reader
from millstream.adapters.localzone import local_zone
from millstream.adapters.lock import StateLock
from millstream.adapters.simulator import SimulatedMessages
from millstream.adapters.spool import SegmentReader, SegmentSpool
from millstream.adapters.sqlite import SqliteLedger
from millstream.adapters.stdin import StandardInput
from millstream.adapters.textfile import TextFile
from millstream.config import SIMULATED, Config, EngineConfig, FilesConfig, StreamConfig, WorkConfig
from millstream.core.minibatch import Limits
from millstream.core.model import Done, Kind, Outcome
from millstream.core.operations import SetMeta
from millstream.core.packing import CostModel, PackStrategy
from millstream.core.queries import ReadMeta
from millstream.core.retry import RetryPolicy
from millstream.core.schedule import Daily, Every, Schedule, find_zone
from millstream.core.terms import TERMS, Terms, dump_terms
from millstream.errors import ConfigurationError, HandlerImportError, InvalidValueError, MillstreamError
from millstream.ports import Clock, Ledger, Source
from millstream.runtime.batch import Batch, Context, Handler, MakeHandler
from millstream.runtime.command import CommandHandler
from millstream.runtime.dispatch import WorkSettings
from millstream.runtime.engine import Engine, Exit, MakeIntake, Pipeline
from millstream.runtime.events import Events, Listener
from millstream.runtime.files import FilesIntake, FilesSettings, Plan
from millstream.runtime.janitor import Janitor, Kept
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.runtime.shutdown import DrainSettings
from millstream.runtime.stream import StreamIntake, StreamSettings
from millstream.runtime.summary import Tallies, Tally

LEDGER = "ledger.db"
SCRATCH = "scratch"
CLOCK_ANCHOR = "clock"
KEYED_BLOCK_BYTES = 64 << 10
PLAIN_BLOCK_BYTES = 1 << 20
SAME_SIGNAL_S = 0.1
"""Tools such as `timeout` signal a process and then its group, so the one signal arrives twice."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended: its exit code, what each pipeline did, and why it was cut short if a source failed."""

    exit: Exit
    tallies: tuple[Tally, ...]
    failure: str | None = None


def run(config: Config, *, listeners: Sequence[Listener] = (), is_quiet: bool = False) -> Report:
    """Run all pipelines of `config` until they are done or drained; blocks, installs signal handlers.

    Must be called while the process has no other thread. Raises MillstreamError when nothing could be started.
    """
    check_inputs(config)
    makers = {pipeline.name: handler_of(pipeline) for pipeline in config.pipelines}
    state = Path(config.engine.state)
    with ExitStack() as stack:
        stack.callback(_take(state).release)
        nursery = Nursery.start(
            makers,
            readers={stream.name: SegmentReader(spool_folder(state, stream.name)) for stream in config.streams},
            scratch=str(state / SCRATCH),
            is_quiet=is_quiet,
        )
        stack.enter_context(nursery)
        try:
            return asyncio.run(_run(config, state=state, nursery=nursery, listeners=listeners))
        except BaseExceptionGroup as group:
            raise _first_of(group) from group


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a user should see: the first that writes its own message."""
    own, _ = group.split(MillstreamError)
    found: BaseException = own or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _run(config: Config, *, state: Path, nursery: Nursery, listeners: Sequence[Listener]) -> Report:
    ledger = SqliteLedger(state / LEDGER, on_full=partial(log.warning, "the disk is full, waiting for room: %s"))
    kept: list[Kept] = []
    try:
        clock = await engine_clock(ledger, speed=config.engine.speed)
        await ledger.do(SetMeta(key=TERMS, value=dump_terms(terms_of(config))))
        kinds = dict.fromkeys((stream.name for stream in config.streams), Kind.MINIBATCH)
        kinds |= dict.fromkeys((files.name for files in config.files), Kind.BUCKET)
        tallies = Tallies(kinds, began_at=clock.now(), speed=clock.speed)
        parts = _Parts(
            state=state,
            ledger=ledger,
            clock=clock,
            events=Events(tallies, *listeners),
            nursery=nursery,
            tallies=tallies,
        )
        engine = assemble(config, parts, kept=kept)
        _stop_on_signals(engine)
        ended = await engine.run()
        failure = str(engine.failure) if engine.failure else None
        return Report(exit=ended, tallies=tuple(tallies.of.values()), failure=failure)
    finally:
        for own in kept:
            own.spool.close()
        await ledger.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What all pipelines share."""

    state: Path
    ledger: Ledger
    clock: Clock
    events: Events
    nursery: Nursery
    tallies: Tallies


def assemble(config: Config, parts: _Parts, *, kept: list[Kept]) -> Engine:
    """Build the engine and everything below it; the spools it opens, for the caller to close, are added to `kept`."""
    pipelines = [_stream_pipeline(stream, config.engine, parts, kept) for stream in config.streams]
    pipelines += [_files_pipeline(files, config.engine, parts) for files in config.files]
    return Engine(
        pipelines,
        ledger=parts.ledger,
        clock=parts.clock,
        events=parts.events,
        tallies=parts.tallies,
        janitor=Janitor(kept, ledger=parts.ledger, clock=parts.clock, keep_s=config.engine.keep),
        draw=random.random,
        drain_settings=DrainSettings(
            mode="close" if config.engine.drain == "close" else "keep", limit_s=config.engine.drain_limit
        ),
    )


def _stream_pipeline(stream: StreamConfig, engine: EngineConfig, parts: _Parts, kept: list[Kept]) -> Pipeline:
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

    return _pipeline(stream, _work_settings(stream, stream.name), parts, make_intake)


def _files_pipeline(files: FilesConfig, engine: EngineConfig, parts: _Parts) -> Pipeline:
    def make_intake(on_ready: Callable[[], None]) -> FilesIntake:
        return files_intake(
            files, engine, ledger=parts.ledger, clock=parts.clock, events=parts.events, on_ready=on_ready
        )

    # Writers live by the real clock, so a file that changed settles by it.
    work = replace(_work_settings(files, files.name), resettle_s=files.settle * parts.clock.speed)
    return _pipeline(files, work, parts, make_intake)


def _work_settings(work: WorkConfig, name: str) -> WorkSettings:
    return WorkSettings(
        pipeline=name,
        workers=work.workers,
        queue=work.queue,
        max_bytes=work.max_memory,
        retry=RetryPolicy(retries=work.retries, backoff_s=work.backoff),
    )


def _pipeline(work: WorkConfig, settings: WorkSettings, parts: _Parts, make_intake: MakeIntake) -> Pipeline:
    return Pipeline(
        work=settings,
        pool=HostPool(
            parts.nursery,
            name=settings.pipeline,
            slots=work.workers,
            processes=work.processes,
            timeout_s=work.timeout,
            speed=parts.clock.speed,
            max_host_bytes=work.max_host,
        ),
        make_intake=make_intake,
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
        strategy=_strategy_of(files),
        workers=files.workers,
        open_cost=files.open_cost,
        max_files=files.max_files,
        group_by_folder=files.group == "dir",
        cost=CostModel(
            seconds_per_byte=1 / files.bandwidth,
            seconds_per_file=files.file_cost,
            seconds_per_bucket=files.bucket_cost,
        ),
        schedule=_schedule_of(files),
        settle_s=files.settle,
    )
    lister = FolderLister(files.paths, settle_s=files.settle, exclude=outputs)
    return FilesIntake(settings, lister=lister, ledger=ledger, clock=clock, events=events, on_ready=on_ready)


def plan_files(files: FilesConfig, engine: EngineConfig, *, listeners: Sequence[Listener] = ()) -> Plan:
    """List and pack without working anything; the ledger is read when there is one, and never created."""
    check_inputs(Config(engine=engine, files=(files,)))

    async def plan() -> Plan:
        path = Path(engine.state) / LEDGER
        ledger = SqliteLedger(path if path.exists() else Path(":memory:"))
        try:
            events = Events(*listeners)
            intake = files_intake(files, engine, ledger=ledger, clock=SystemClock(), events=events, on_ready=_nothing)
            return await intake.plan()
        finally:
            await ledger.close()

    return asyncio.run(plan())


def _nothing() -> None:
    """Nobody is to be told."""


# --- parts ------------------------------------------------------------------------------------------------------------


def check_inputs(config: Config) -> None:
    """Raise ConfigurationError when a source, a command or a folder is not there, all of them together."""
    problems = [
        f"{stream.name}: source: expected -, a file or {SIMULATED}, found no file {stream.source!r}"
        for stream in config.streams
        if _is_file(stream) and not stream.follow and not _can_tell(Path(stream.source).is_file)
    ]
    for files in config.files:
        problems += _check_folders(files)
    for pipeline in config.pipelines:
        try:
            handler_of(pipeline)
        except InvalidValueError as error:
            problems.append(f"{pipeline.name}: {error}")
    if problems:
        raise ConfigurationError(problems)


def _check_folders(files: FilesConfig) -> list[str]:
    plain = [path for path in files.paths if not any(sign in path for sign in "*?[")]
    problems = [
        f"{files.name}: paths: expected a file or folder, found nothing at {path!r}"
        for path in plain
        if not _can_tell(Path(path).exists)
    ]
    problems += [
        f"{files.name}: {name}: expected a folder, or a name for a new one, found {folder!r}, which is neither"
        for name, folder in (("copy_to", files.copy_to), ("merge_to", files.merge_to))
        if folder and _can_tell(Path(folder).exists) and not _can_tell(Path(folder).is_dir)
    ]
    return problems


def _can_tell(question: Callable[[], bool]) -> bool:
    """The answer to a question about a path; no where a name is too long or a folder may not be looked into."""
    try:
        return question()
    except OSError:
        return False


def _is_file(stream: StreamConfig) -> bool:
    return stream.source not in {"-", SIMULATED}


def source_of(stream: StreamConfig, clock: Clock) -> Source:
    """The source that `stream.source` names."""
    # Keys are read in the event loop: small blocks keep the deadlines punctual.
    block_bytes = KEYED_BLOCK_BYTES if stream.key else PLAIN_BLOCK_BYTES
    if stream.source == "-":
        return StandardInput(clock, max_record_bytes=stream.max_record, block_bytes=block_bytes)
    if stream.source == SIMULATED:
        return SimulatedMessages(clock, rate_per_s=stream.rate, duration_s=stream.duration, seed=stream.seed)
    return TextFile(
        stream.source, clock, follow=stream.follow, max_record_bytes=stream.max_record, block_bytes=block_bytes
    )


def handler_of(pipeline: StreamConfig | FilesConfig) -> MakeHandler:
    """What works the batches of a pipeline; called here, so that a missing command or folder is a start-up error."""
    if pipeline.command:
        command = CommandHandler(pipeline.command)
        return lambda: command
    if callable(pipeline.handler):
        function: Handler = pipeline.handler
        return lambda: function
    if pipeline.handler:
        return partial(import_function, pipeline.handler)
    if isinstance(pipeline, FilesConfig):
        return partial(_built_in, pipeline)
    return lambda: _complete


def _built_in(files: FilesConfig) -> Handler:
    if files.copy_to:
        return CopyTo(files.copy_to, base=common_root(files.paths))
    if files.merge_to:
        return MergeTo(files.merge_to, format=MergeFormat(files.merge_format))
    return Verify() if files.verify else _complete


def _complete(batch: Batch, context: Context) -> Outcome:
    """Without a handler a batch completes as done."""
    del batch, context
    return Done()


def import_function(path: str, *, setting: str = "handler") -> Handler:
    """The function that `package.module:function` names, looked for in the working folder, too.

    Raises HandlerImportError.
    """
    module_name, _, names = path.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module_name)
        for name in names.split("."):
            found = getattr(found, name)
    except Exception as error:  # a user's module may raise anything when it is imported
        raise HandlerImportError(handler=path, reason=f"{type(error).__name__}: {error}", setting=setting) from error
    if not callable(found):
        reason = f"{type(found).__name__} object is not callable"
        raise HandlerImportError(handler=path, reason=reason, setting=setting)
    return found


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


def _strategy_of(files: FilesConfig) -> str | PackStrategy:
    if isinstance(files.strategy, str) and ":" in files.strategy:
        return import_function(files.strategy, setting="strategy")  # type: ignore[return-value]  # checked by what it returns
    return files.strategy  # type: ignore[return-value]  # a name, or the user's function


def _schedule_of(files: FilesConfig) -> Schedule | None:
    if files.at is not None:
        hour, minute, second = files.at
        zone = find_zone(files.zone) if files.zone else local_zone()
        return Daily(hour=hour, minute=minute, second=second, zone=zone)
    return Every(period_s=files.every) if files.every is not None else None


def spool_folder(state: Path, pipeline: str) -> Path:
    """Where the records of a stream are."""
    return state / "spool" / pipeline


def _take(state: Path) -> StateLock:
    """Make the state folder if need be, and lock it; raises StateLockedError, ConfigurationError."""
    try:
        (state / SCRATCH).mkdir(parents=True, exist_ok=True)
        return StateLock(state)
    except OSError as error:
        problem = f"state: expected a folder that can be written, found {str(state)!r}: {error.strerror}"
        raise ConfigurationError([problem]) from None


async def engine_clock(ledger: Ledger, *, speed: float) -> SystemClock:
    """The engine's clock; once a speed other than 1 was used, it goes on along the axis that the ledger keeps."""
    stored = await ledger.read(ReadMeta(key=CLOCK_ANCHOR))
    if stored is None and speed == 1:
        return SystemClock()
    wall_s = time.time()
    anchor = Anchor.loads(stored) if stored else Anchor(engine_s=wall_s, wall_s=wall_s, speed=speed)
    if anchor.speed != speed:
        anchor = anchor.rescaled(speed, wall_s=wall_s)
    await ledger.do(SetMeta(key=CLOCK_ANCHOR, value=anchor.dumps()))
    return SystemClock(anchor)


def _stop_on_signals(engine: Engine) -> None:
    """The first signal drains; a second one ends at once, and the next start picks up."""
    first: tuple[int, float] | None = None

    def on_signal(signum: int) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = (signum, now)
            engine.stop()
        elif signum != first[0] or now - first[1] > SAME_SIGNAL_S:
            os._exit(Exit.FORCED)

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError, RuntimeError):  # not in the main thread: the caller stops the engine in another way
            loop.add_signal_handler(signum, on_signal, signum)
