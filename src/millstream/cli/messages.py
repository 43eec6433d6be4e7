"""What an engine has to tell while it runs, one clear line each on standard error.

Theory of operation: important events become log records, and those are written through the same console that draws the
progress, which moves out of their way.
"""

import contextlib
import logging
import time
from collections.abc import Iterator

from rich.console import Console

from millstream.cli.output import counted, local_time, rough_duration, say
from millstream.core.lifecycle import State
from millstream.core.units import format_size
from millstream.runtime.events import (
    AttemptEnded,
    Draining,
    Event,
    Evicted,
    FilesListed,
    FilesPlanned,
    IntakeGoesOn,
    IntakeHeld,
    NextRun,
    TakenOver,
)

LOGGER = "millstream"
STYLES = {logging.WARNING: "yellow", logging.ERROR: "red"}

log = logging.getLogger(LOGGER)


class ConsoleHandler(logging.Handler):
    """Writes each log record as a line with its time; a traceback goes below."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        with contextlib.suppress(OSError):  # nobody reads standard error any more
            for line in self.format(record).splitlines():
                say(self._console, line, style=STYLES.get(record.levelno, ""))


@contextlib.contextmanager
def log_to(console: Console, *, is_quiet: bool) -> Iterator[None]:
    """Write what Millstream logs to `console` meanwhile, or nowhere."""
    handler = logging.NullHandler() if is_quiet else ConsoleHandler(console)
    level, propagates = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates


def log_events(event: Event) -> None:
    """Log an event that a person should know of; a listener."""
    match event:
        case TakenOver(batches=batches) if batches:
            log.info("took over %s from an engine that had ended", counted(batches, "batch"))
        case IntakeHeld():
            log.warning("%s: intake waits: %s; nothing that was accepted is lost", event.pipeline, event.reason)
        case IntakeGoesOn():
            log.info("%s: intake goes on", event.pipeline)
        case AttemptEnded(evicted=False):
            _log_attempt(event)
        case Evicted():
            _log_eviction(event)
        case FilesListed():
            _log_listing(event)
        case FilesPlanned():
            _log_plan(event)
        case NextRun():
            log.info("%s: looks again at %s", event.pipeline, local_time(event.at, now_s=time.time()))
        case Draining():
            log.info("draining: %s", _fate(event))
        case _:
            pass


def _fate(event: Draining) -> str:
    """What becomes of what there is."""
    limit = rough_duration(event.limit_s)
    match event.who:
        case "ingest":
            return f"nothing more is begun; running chunks get {limit}, and the next start goes on with the rest"
        case "worker":
            return f"nothing more is taken; running attempts get {limit}, and other workers go on with the rest"
        case "engine":
            fate = "closed and worked" if event.drain == "close" else "kept"
            return f"open minibatches are {fate}; running attempts get {limit}"


def _log_attempt(event: AttemptEnded) -> None:
    batch_id, attempt, error = event.batch_id, event.attempt, event.error
    match event.state:
        case State.WAITING:
            log.warning("%s: attempt %d failed and is retried: %s", batch_id, attempt, error)
        case State.DEAD:
            advice = f"`millstream explain {batch_id}` says more, `millstream retry {batch_id}` tries again"
            log.error("%s: dead after attempt %d: %s; %s", batch_id, attempt, error, advice)
        case State.DISCARDED:
            log.info("%s: discarded: %s", batch_id, error or "no reason given")
        case None | State.READY:
            log.warning(
                "%s: attempt %d does not count: %s", batch_id, attempt, error or "its claim was not valid any more"
            )
        case _:
            pass


def _log_eviction(event: Evicted) -> None:
    if event.changed:
        log.warning("%s: %s changed and will be worked anew", event.batch_id, counted(event.changed, "file"))
    for path in event.gone:
        log.error("%s: %s disappeared before it was worked", event.batch_id, path)


def _log_listing(event: FilesListed) -> None:
    if event.unsettled:
        log.info("%s: %s still being written", event.pipeline, counted(len(event.unsettled), "file"))
    for path, reason in event.refused:
        log.warning("%s: refused %s: %s", event.pipeline, path, reason)


def _log_plan(event: FilesPlanned) -> None:
    log.info(
        "%s: packed %s, %s, into %s (%s; at least %d needed)",
        event.pipeline,
        counted(event.files, "file"),
        format_size(event.size_bytes),
        counted(event.buckets, "bucket"),
        event.strategy,
        event.lower_bound,
    )
