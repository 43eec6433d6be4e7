"""An engine started and ended.

Theory of operation: the order matters. The state folder is locked first; then the nursery is forked, while this process
has no thread, and inherits the lock; only then do the event loop, the ledger's thread and everything else start.
"""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from millstream.adapters.clock import CLOCK_ANCHOR, Anchor, SystemClock
from millstream.adapters.lock import StateLock
from millstream.adapters.spool import SegmentReader
from millstream.adapters.sqlite import SqliteLedger
from millstream.config import Config, EngineConfig, FilesConfig
from millstream.core.exits import Exit
from millstream.core.model import Kind
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadMeta
from millstream.core.terms import TERMS, dump_terms
from millstream.errors import ConfigurationError, MillstreamError
from millstream.ports import Ledger
from millstream.runtime.engine import Engine
from millstream.runtime.events import Events, Listener
from millstream.runtime.files import Plan
from millstream.runtime.janitor import Janitor, Kept
from millstream.runtime.nursery import Nursery
from millstream.runtime.shutdown import DrainSettings
from millstream.runtime.summary import Tallies, Tally
from millstream.wiring.dashboard import Dashboard
from millstream.wiring.handlers import handler_of
from millstream.wiring.inputs import check_inputs
from millstream.wiring.pipelines import Parts, files_intake, files_pipeline, spool_folder, stream_pipeline, terms_of

LEDGER = "ledger.db"
SCRATCH = "scratch"
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
        stack.callback(lock_state(state).release)
        nursery = Nursery.start(
            makers,
            readers={stream.name: SegmentReader(spool_folder(state, stream.name)) for stream in config.streams},
            scratch=str(state / SCRATCH),
            is_quiet=is_quiet,
        )
        stack.enter_context(nursery)
        # Its socket is opened behind the fork: a worker that held it open would keep browsers waiting at the end.
        dashboard = stack.enter_context(Dashboard(config.engine))
        try:
            return asyncio.run(_run(config, state=state, nursery=nursery, listeners=listeners, dashboard=dashboard))
        except BaseExceptionGroup as group:
            raise first_of(group) from group


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a user should see: the first that writes its own message."""
    own, _ = group.split(MillstreamError)
    found: BaseException = own or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _run(
    config: Config, *, state: Path, nursery: Nursery, listeners: Sequence[Listener], dashboard: Dashboard
) -> Report:
    ledger = SqliteLedger(state / LEDGER, on_full=partial(log.warning, "the disk is full, waiting for room: %s"))
    kept: list[Kept] = []
    try:
        clock = await engine_clock(ledger, speed=config.engine.speed)
        await ledger.do(SetMeta(key=TERMS, value=dump_terms(terms_of(config))))
        kinds = dict.fromkeys((stream.name for stream in config.streams), Kind.MINIBATCH)
        kinds |= dict.fromkeys((files.name for files in config.files), Kind.BUCKET)
        tallies = Tallies(kinds, began_at=clock.now(), speed=clock.speed)
        parts = Parts(
            state=state,
            ledger=ledger,
            clock=clock,
            events=Events(tallies, *listeners),
            nursery=nursery,
            tallies=tallies,
        )
        engine = assemble(config, parts, kept=kept)
        dashboard.show()
        stop_on_signals(engine.stop)
        ended = await engine.run()
        failure = str(engine.failure) if engine.failure else None
        return Report(exit=ended, tallies=tuple(tallies.of.values()), failure=failure)
    finally:
        for own in kept:
            own.spool.close()
        await ledger.close()


def assemble(config: Config, parts: Parts, *, kept: list[Kept]) -> Engine:
    """Build the engine and everything below it; the spools it opens, for the caller to close, are added to `kept`."""
    pipelines = [stream_pipeline(stream, config.engine, parts, kept) for stream in config.streams]
    pipelines += [files_pipeline(files, config.engine, parts) for files in config.files]
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


def lock_state(state: Path) -> StateLock:
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


def stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal drains; a second one ends at once, and the next start picks up."""
    first: tuple[int, float] | None = None

    def on_signal(signum: int) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = (signum, now)
            stop()
        elif signum != first[0] or now - first[1] > SAME_SIGNAL_S:
            os._exit(Exit.FORCED)

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        with suppress(ValueError, RuntimeError):  # not in the main thread: the caller stops the engine in another way
            loop.add_signal_handler(signum, on_signal, signum)
