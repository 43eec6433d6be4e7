"""One file of this machine, ingested by this process: begun, gone on with, or found to be finished.

Theory of operation: the ingestion is named after what it does to which version of the file (`path_message_id`), so the
same command finds it again. One that ended is left alone, if what it made is still there; one that was cut short goes
on; one that failed or was cancelled, or whose output is gone or is another's now, is done anew, in another turn.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from millstream.adapters.sqlite import SqliteLedger
from millstream.core.address import is_kafka
from millstream.core.exits import Exit
from millstream.core.ingestion import (
    Act,
    Action,
    FileSpec,
    IngestionRow,
    ReadChunks,
    ReadIngestion,
    ReadIngestions,
    ReadRejects,
    RejectRow,
    Status,
)
from millstream.core.lifecycle import State
from millstream.errors import OutputError, SinkMissingError, SinkUnavailableError
from millstream.ports import Ledger
from millstream.runtime.events import Listener
from millstream.wiring.engine import LEDGER, stop_on_signals
from millstream.wiring.ingest import EmbeddedIngest, IngestSettings
from millstream.wiring.ingest_job import PathJob
from millstream.wiring.onefile import OutputLock, begin_parts, clear_if_empty, has_output, is_unfinished

LOOK_EVERY_S = 0.1
REJECTS_SHOWN = 10
MOST_GOING = 100_000
GOING = (Status.ACCEPTED, Status.QUEUED, Status.RUNNING, Status.PAUSED)

Watch = Callable[[IngestionRow], None]
"""Told a few times a second how far an ingestion is."""

log = logging.getLogger("millstream")


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


def ingest_path(
    job: PathJob, *, state: Path, listeners: Sequence[Listener] = (), watch: Watch, is_quiet: bool = False
) -> PathReport:
    """Ingest the file until it is done, or drained by a signal; blocks, installs signal handlers.

    Must be called while the process has no other thread. Raises MillstreamError when nothing could be started.
    """
    finished = asyncio.run(_look(job, state=state))
    if finished is not None:
        clear_if_empty(job.sink.shown)
        return finished
    settings = IngestSettings(state=state, sinks=(job.sink,), workers=job.workers, limits=job.limits)
    output, report = OutputLock(job.sink.shown), None
    try:
        with EmbeddedIngest(settings, listeners=listeners, is_quiet=is_quiet) as ingest:
            report = asyncio.run(_ingest(job, ingest=ingest, output=output, watch=watch))
    finally:
        output.release(clear=report is not None and report.exit is not Exit.KEPT)
    return report


class _Next(Enum):
    """What is to be done about an ingestion."""

    ACCEPT = "accept"
    GO_ON = "go on"
    RETRY = "retry"
    NOTHING = "nothing"
    ANEW = "anew"
    CANCEL = "cancel"


async def _look(job: PathJob, *, state: Path) -> PathReport | None:
    """What an earlier run came to, if there is nothing left to do; the ledger is read without a thread."""
    path = state / LEDGER
    if not path.exists():
        return None
    ledger = SqliteLedger(path, inline=True)
    try:
        _, row, following = await _current(job, ledger=ledger)
        if row is None or following is not _Next.NOTHING:
            return None
        return await _report(row, ledger=ledger, was_finished=True)
    finally:
        await ledger.close()


async def _current(job: PathJob, *, ledger: Ledger) -> tuple[FileSpec, IngestionRow | None, _Next]:
    """The ingestion to look at, to go on with or to accept."""
    for number in itertools.count():
        spec = job.turn(number)
        row = await _followed(spec.message_id, ledger=ledger)
        following = _Next.ACCEPT if row is None else await _next(row, ledger=ledger)
        if following is not _Next.ANEW:
            return spec, row, following
    raise AssertionError("there is no end to numbers")


async def _followed(message_id: str, *, ledger: Ledger) -> IngestionRow | None:
    """The row of an ingestion, or of the last that took its place."""
    row = await ledger.read(ReadIngestion(message_id=message_id))
    while row is not None and row.successor:
        row = await ledger.read(ReadIngestion(message_id=row.successor))
    return row


async def _next(row: IngestionRow, *, ledger: Ledger) -> _Next:
    is_left = is_unfinished(row.spec.sink, message_id=row.spec.message_id)
    if row.status in GOING:
        is_lost = row.chunks_done and row.spec.is_joined and not is_left
        return _Next.CANCEL if is_lost else _Next.GO_ON
    if row.status is Status.CANCELLED:
        return _Next.ANEW
    dead = await ledger.read(ReadChunks(message_id=row.spec.message_id, states=(State.DEAD,), limit=1))
    if dead and (is_left or row.out_bytes == 0 or _has_output(row)):
        return _Next.RETRY
    if row.status is Status.FAILED:  # every record rejected is an answer; anything else may have been mended
        return _Next.NOTHING if row.records_rejected and not row.chunks_failed else _Next.ANEW
    if is_left:
        return _Next.GO_ON
    return _Next.NOTHING if _has_output(row) else _Next.ANEW


def _has_output(row: IngestionRow) -> bool:
    return has_output(row.spec.sink, message_id=row.spec.message_id, size_bytes=row.out_bytes)


async def _ingest(job: PathJob, *, ingest: EmbeddedIngest, output: OutputLock, watch: Watch) -> PathReport:
    began = time.monotonic()
    try:
        output.acquire()  # in here, so that no worker host keeps it
    except OSError as error:
        raise OutputError(path=str(job.sink.file), reason=error.strerror or str(error)) from None
    await _find_sink(job, ingest=ingest)
    await ingest.start()
    try:
        before = await _begin(job, ingest=ingest)
        await _work(before, ingest=ingest, watch=watch)
        await ingest.drain()
        row = await _followed(before.spec.message_id, ledger=ingest.ledger) or before
        watch(row)
        report = await _report(row, ledger=ingest.ledger, was_finished=False)
    finally:
        await ingest.stop()
    is_kept = row.ended_at is None or not _is_in_place(row)
    return replace(
        report,
        exit=Exit.KEPT if is_kept else report.exit,
        seconds=time.monotonic() - began,
        records=max(0, row.records_published - before.records_published),
        size_bytes=max(0, row.bytes_done - before.bytes_done),
    )


async def _find_sink(job: PathJob, *, ingest: EmbeddedIngest) -> None:
    """Raise SinkMissingError when records would have nowhere to go; a broker that does not answer is waited for."""
    if not is_kafka(job.sink.shown):
        return
    sink = ingest.sinks.open(job.sink.shown)
    try:
        await asyncio.to_thread(sink.check)
    except SinkMissingError:
        raise
    except SinkUnavailableError as error:
        log.warning("%s; waiting for it", error)
    finally:
        sink.close()


async def _work(row: IngestionRow, *, ingest: EmbeddedIngest, watch: Watch) -> None:
    """Let it be worked until it ended, or a signal came."""
    stopping = asyncio.Event()
    stop_on_signals(stopping.set)
    following = asyncio.ensure_future(_follow(row.spec.message_id, ingest=ingest, watch=watch))
    waits = {following, asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(ingest.watch())}
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits - done:
        wait.cancel()
    for wait in done:
        wait.result()
    if not following.done():
        log.info("stopping: chunks that are being worked are finished, the next run goes on")


def _is_in_place(row: IngestionRow) -> bool:
    """Whether the output is where it belongs, if there is to be one."""
    if row.status not in {Status.SUCCEEDED, Status.PARTIAL}:
        return True
    return _has_output(row) and not is_unfinished(row.spec.sink, message_id=row.spec.message_id)


async def _begin(job: PathJob, *, ingest: EmbeddedIngest) -> IngestionRow:
    """Accept the ingestion, or go on with it."""
    ledger = ingest.ledger
    spec, row, following = await _current(job, ledger=ledger)
    if row is not None and following is _Next.CANCEL:
        log.warning("what an earlier run published for %s is gone: beginning anew", job.sink.file)
        await ledger.do(Act(message_id=row.spec.message_id, action=Action.CANCEL, at=ingest.clock.now()))
        return await _begin(job, ingest=ingest)
    current = row.spec if row is not None else spec
    if job.sink.file is not None:
        await _cancel_others(current, ledger=ledger, at=ingest.clock.now())
    try:
        begin_parts(current.sink, message_id=current.message_id)
    except OSError as error:
        raise OutputError(path=str(job.sink.file), reason=error.strerror or str(error)) from None
    if row is None:
        await ingest.accept(spec)
        row = await ledger.read(ReadIngestion(message_id=spec.message_id))
    elif following is _Next.RETRY:
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
    for other in await ledger.read(ReadIngestions(statuses=GOING, limit=MOST_GOING)):
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
