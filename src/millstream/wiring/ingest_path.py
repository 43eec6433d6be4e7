"""One file of this machine, ingested by this process: begun, gone on with, or found to be finished.

Theory of operation: the ingestion is named after what it does to which version of the file (`path_message_id`), so the
same command finds it again. One that ended is left alone, if what it made is still there; one that was cut short goes
on; one that failed or was cancelled, or whose output is gone, is done anew, in another turn.
"""

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.config.ingesting import IngestConfig, dialect_of
from millstream.core.exits import Exit
from millstream.core.ingestion import (
    Act,
    Action,
    Compression,
    FileSpec,
    IngestionRow,
    OnChange,
    ReadIngestion,
    ReadIngestions,
    ReadRejects,
    RejectRow,
    Status,
)
from millstream.core.model import FileRef
from millstream.core.splitting import Policy
from millstream.errors import ConfigurationError, InvalidValueError
from millstream.ingest.accepting import path_message_id
from millstream.ports import Ledger
from millstream.runtime.events import Listener
from millstream.wiring.engine import LEDGER, stop_on_signals
from millstream.wiring.ingest import EmbeddedIngest, IngestSettings
from millstream.wiring.sinks import SinkAddress, clear_parts, read_sink

LOOK_EVERY_S = 0.1
REJECTS_SHOWN = 10
GOING = (Status.ACCEPTED, Status.QUEUED, Status.RUNNING, Status.PAUSED)

Watch = Callable[[IngestionRow], None]
"""Told a few times a second how far an ingestion is."""

log = logging.getLogger("millstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJob:
    """What `millstream ingest PATH` is to do: `version` of `path`, as `spec` says, into `sink`."""

    path: Path
    version: str
    spec: FileSpec
    sink: SinkAddress
    workers: int

    def turn(self, number: int) -> FileSpec:
        """The spec of the n-th time that this is done, from 0."""
        return replace(self.spec, message_id=path_message_id(self.spec, version=self.version, turn=number))

    @property
    def has_output(self) -> bool:
        """Whether what a finished run left is still there, as far as can be told."""
        return self.sink.file is None or self.sink.file.exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """What became of it: `was_finished` by an earlier run; `seconds` of this one, `records` and `size_bytes` in it."""

    exit: Exit
    row: IngestionRow
    rejects: tuple[RejectRow, ...]
    was_finished: bool
    seconds: float
    records: int
    size_bytes: int


def read_job(path: str, config: IngestConfig) -> PathJob:
    """Look at file and settings; raises ConfigurationError with all that is wrong, before anything is touched."""
    problems: list[str] = []
    resolved, version = Path(path), ""
    sink = SinkAddress(shown="", full="")
    try:
        resolved, version = _find(path)
    except InvalidValueError as error:
        problems.append(str(error))
    try:
        sink = read_sink(config.to, one_per_message=config.one_per_message, is_file=True)
        _check_output(sink, path=resolved)
    except InvalidValueError as error:
        problems.append(str(error))
    try:
        dialect = dialect_of(config, name=resolved.name)
    except (ConfigurationError, InvalidValueError) as error:
        problems += str(error).splitlines() if version else []
    if problems:
        raise ConfigurationError(problems)
    spec = FileSpec(
        message_id="",
        container=str(resolved.parent),
        name=resolved.name,
        sink=sink.shown,
        dialect=dialect,
        policy=Policy(config.policy),
        chunk_bytes=min(config.chunk, config.max_record),
        compression=Compression(config.compression),
        on_change=OnChange(config.on_change),
    )
    return PathJob(path=resolved, version=version, spec=spec, sink=sink, workers=config.workers)


def _find(path: str) -> tuple[Path, str]:
    """The file with links resolved, and its version; raises InvalidValueError."""
    try:
        return _opened(path)
    except InvalidValueError:
        raise
    except OSError as error:
        raise _wrong_path(f"{path}: {error.strerror or error}") from None
    except (ValueError, RuntimeError):  # a NUL in the name; links that go round in a circle
        raise _wrong_path(path) from None


def _opened(path: str) -> tuple[Path, str]:
    resolved = Path(path).resolve(strict=True)
    if not resolved.is_file():  # a pipe is not even opened
        raise _wrong_path(f"{path}: {'a folder' if resolved.is_dir() else 'no file, but a device or pipe'}")
    with resolved.open("rb") as file:
        found = os.fstat(file.fileno())
    reference = FileRef(path="", size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)
    return resolved, reference.version


def _wrong_path(found: str) -> InvalidValueError:
    return InvalidValueError(name="path", expected="a file that can be read", found=found)


def _check_output(sink: SinkAddress, *, path: Path) -> None:
    """Raise InvalidValueError when the output is a file that cannot be written."""
    output = sink.file
    if output is None:
        return
    expected = "a file that can be written"
    if not output.parent.is_dir():
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: there is no folder {output.parent}")
    if output.exists() and not output.is_file():
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: not a file")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: {output.parent} cannot be written")
    if output.resolve() == path:
        raise InvalidValueError(name="to", expected="another file than the one that is read", found=str(output))


def ingest_path(
    job: PathJob, *, state: Path, listeners: Sequence[Listener] = (), watch: Watch, is_quiet: bool = False
) -> PathReport:
    """Ingest the file until it is done, or drained by a signal; blocks, installs signal handlers.

    Must be called while the process has no other thread. Raises MillstreamError when nothing could be started.
    """
    finished = asyncio.run(_look(job, state=state))
    if finished is not None:
        return finished
    settings = IngestSettings(state=state, sinks=(job.sink,), workers=job.workers)
    with EmbeddedIngest(settings, listeners=listeners, is_quiet=is_quiet) as ingest:
        report = asyncio.run(_ingest(job, ingest=ingest, watch=watch))
    if report.row.ended_at is not None:
        clear_parts(job.sink.shown)
    return report


async def _look(job: PathJob, *, state: Path) -> PathReport | None:
    """What an earlier run came to, if there is nothing left to do; the ledger is read without a thread."""
    path = state / LEDGER
    if not path.exists():
        return None
    ledger = SqliteLedger(path, inline=True)
    try:
        _, row = await _current(job, ledger=ledger)
        if row is None or not _is_finished(row):
            return None
        return await _report(row, ledger=ledger, was_finished=True)
    finally:
        await ledger.close()


async def _current(job: PathJob, *, ledger: Ledger) -> tuple[FileSpec, IngestionRow | None]:
    """The ingestion to look at or to go on with; its row is None if it has to be accepted."""
    for number in itertools.count():
        spec = job.turn(number)
        row = await _followed(spec.message_id, ledger=ledger)
        if row is None or not _is_over(row, has_output=job.has_output):
            return spec, row
    raise AssertionError("there is no end to numbers")


async def _followed(message_id: str, *, ledger: Ledger) -> IngestionRow | None:
    """The row of an ingestion, or of the last that took its place."""
    row = await ledger.read(ReadIngestion(message_id=message_id))
    while row is not None and row.successor:
        row = await ledger.read(ReadIngestion(message_id=row.successor))
    return row


def _is_over(row: IngestionRow, *, has_output: bool) -> bool:
    """Whether an ingestion ended in a way that another turn has to make good."""
    if row.status in GOING:
        return False
    if row.status is Status.CANCELLED:
        return True
    if row.status is Status.FAILED:
        return not (row.chunks_failed or row.records_rejected)
    return not has_output


def _is_finished(row: IngestionRow) -> bool:
    """Whether there is nothing left to do: no chunk that failed could be tried again."""
    return row.status not in GOING and row.chunks_failed == 0


async def _ingest(job: PathJob, *, ingest: EmbeddedIngest, watch: Watch) -> PathReport:
    began = time.monotonic()
    await ingest.start()
    stopping = asyncio.Event()
    stop_on_signals(stopping.set)
    try:
        row = await _begin(job, ingest=ingest)
        before = row
        following = asyncio.ensure_future(_follow(row.spec.message_id, ingest=ingest, watch=watch))
        waits = {following, asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(ingest.watch())}
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits - done:
            wait.cancel()
        for wait in done:
            wait.result()
        if not following.done():
            log.info("stopping: chunks that are being worked are finished, the next run goes on")
    finally:
        await ingest.drain()
    try:
        row = await _followed(row.spec.message_id, ledger=ingest.ledger) or row
        watch(row)
        report = await _report(row, ledger=ingest.ledger, was_finished=False)
    finally:
        await ingest.stop()
    is_kept = report.row.ended_at is None or not _is_in_place(report.row, job=job)
    return replace(
        report,
        exit=Exit.KEPT if is_kept else report.exit,
        seconds=time.monotonic() - began,
        records=max(0, report.row.records_published - before.records_published),
        size_bytes=max(0, report.row.bytes_done - before.bytes_done),
    )


def _is_in_place(row: IngestionRow, *, job: PathJob) -> bool:
    """Whether the output is where it belongs, if there is to be one."""
    return row.status not in {Status.SUCCEEDED, Status.PARTIAL} or job.has_output


async def _begin(job: PathJob, *, ingest: EmbeddedIngest) -> IngestionRow:
    """Accept the ingestion, or go on with it."""
    ledger = ingest.ledger
    spec, row = await _current(job, ledger=ledger)
    if job.sink.file is not None:
        await _cancel_others(spec, ledger=ledger, at=ingest.clock.now())
    if row is None:
        await ingest.accept(spec)
        row = await ledger.read(ReadIngestion(message_id=spec.message_id))
    elif row.status not in GOING:
        log.info("%s: trying again what failed", row.spec.message_id)
        await ledger.do(Act(message_id=row.spec.message_id, action=Action.RETRY, at=ingest.clock.now()))
        ingest.ring()
    elif row.chunks_done:
        log.info("going on where an earlier run stopped: %d chunks are done", row.chunks_done)
    if row is None:
        raise AssertionError("what was accepted is there")
    return row


async def _cancel_others(spec: FileSpec, *, ledger: Ledger, at: float) -> None:
    """An ingestion into the same file, of an earlier version or with other settings, must not replace this one's."""
    for other in await ledger.read(ReadIngestions(statuses=GOING)):
        if other.spec.sink == spec.sink and other.spec.message_id != spec.message_id:
            log.warning("%s: cancelled, because this one writes the same file", other.spec.message_id)
            await ledger.do(Act(message_id=other.spec.message_id, action=Action.CANCEL, at=at))


async def _follow(message_id: str, *, ingest: EmbeddedIngest, watch: Watch) -> None:
    """Tell how far it is until it ended."""
    while True:
        row = await _followed(message_id, ledger=ingest.ledger)
        if row is None:
            raise AssertionError("what was accepted is there")
        watch(row)
        if row.ended_at is not None:
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _report(row: IngestionRow, *, ledger: Ledger, was_finished: bool) -> PathReport:
    rejects = await ledger.read(ReadRejects(message_id=row.spec.message_id, limit=REJECTS_SHOWN))
    return PathReport(
        exit=Exit.DONE if row.status is Status.SUCCEEDED else Exit.DEAD,
        row=row,
        rejects=rejects,
        was_finished=was_finished,
        seconds=0.0,
        records=0,
        size_bytes=0,
    )
