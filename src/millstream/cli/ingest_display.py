"""What `millstream ingest` shows: progress while it runs, a summary at the end."""

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from millstream.cli.output import counted, print_json, rough_duration, say, stderr_console, stdout_console
from millstream.core.exits import Exit
from millstream.core.ingestion import IngestionRow, Status
from millstream.core.lifecycle import State
from millstream.core.units import format_size
from millstream.runtime.events import AttemptEnded, Event, Listener, TakenOver
from millstream.wiring.ingest_job import PathJob
from millstream.wiring.ingest_path import PathReport

log = logging.getLogger("millstream")


class IngestDisplay:
    """Draws in a terminal, and logs what a person should know; a context manager.

    Its thread starts with the first news: worker hosts are forked before that, from a process without threads.
    """

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        self._is_drawn = console.is_terminal and not is_quiet
        self._is_quiet = is_quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[records]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
        )
        self._task: TaskID | None = None
        self._waits_for = ""

    @property
    def listeners(self) -> Sequence[Listener]:
        """What the engine tells."""
        return () if self._is_quiet else (_log_event,)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def watch(self, row: IngestionRow) -> None:
        """Show how far it is."""
        if row.waits_for != self._waits_for:
            self._waits_for = row.waits_for
            if row.waits_for:
                log.warning("waiting: %s", row.waits_for)
            else:
                log.info("going on")
        if self._is_drawn:
            self._draw(row)

    def _draw(self, row: IngestionRow) -> None:
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(row.spec.name, total=None, records="")
        self._progress.update(
            self._task,
            total=row.file_bytes,
            completed=row.bytes_passed,
            records=counted(row.records_published, "record"),
            description=f"{row.spec.name} (waiting)" if row.waits_for else row.spec.name,
        )


def _log_event(event: Event) -> None:
    match event:
        case TakenOver(batches=batches) if batches:
            log.info("took over %s from a run that was cut short", counted(batches, "chunk"))
        case AttemptEnded(state=State.DEAD, error=error):
            log.error("%s: failed: %s", event.batch_id, error)
        case _:
            pass


def show_report(report: PathReport, *, job: PathJob, as_json: bool, is_quiet: bool) -> None:
    """Put the summary on standard output: as JSON always, for a person unless `is_quiet`."""
    if as_json:
        print_json(document(report, job=job))
    if not is_quiet:
        _explain(report, job=job, console=stderr_console())
        say(stderr_console() if as_json else stdout_console(), _sentence(report, job=job))


def document(report: PathReport, *, job: PathJob) -> dict[str, object]:
    """The summary as JSON; `records_per_s` and `seconds` are of this run."""
    row = report.row
    return {
        "message_id": row.spec.message_id,
        "status": row.status.value,
        "file": str(job.path),
        "output": str(job.sink.file or job.sink.shown),
        "already_finished": report.was_finished,
        "size_bytes": row.file_bytes,
        "bytes_done": row.bytes_passed,
        "records_published": row.records_published,
        "records_rejected": row.records_rejected,
        "chunks": {
            "planned": row.chunks_planned,
            "done": row.chunks_done,
            "failed": row.chunks_failed,
        },
        "rejects": [
            {"record": each.record, "start": each.start, "end": each.end, "reason": each.reason}
            for each in report.rejects
        ],
        "error": row.error or None,
        "seconds": round(report.seconds, 3),
        "records_per_s": round(report.records / report.seconds, 1) if report.seconds else 0.0,
    }


def _sentence(report: PathReport, *, job: PathJob) -> str:
    row = report.row
    output = job.sink.file or job.sink.shown
    counts = counted(row.records_published, "record")
    if row.records_rejected:
        counts += f", {row.records_rejected:,} rejected"
    if report.was_finished:
        return f"{job.path}: nothing to do: {row.status} already, {counts} in {output}"
    if report.exit is Exit.KEPT:
        return f"{job.path}: stopped with {counts} published; run the same command again to go on"
    if not report.seconds:
        return f"{job.path}: {row.status}: {counts} in {output}"
    speed = (
        f"{report.records / report.seconds:,.0f} records/s, {format_size(int(report.size_bytes / report.seconds))}/s"
    )
    return f"{job.path}: {row.status}: {counts} in {output}; {rough_duration(report.seconds)}, {speed}"


def _explain(report: PathReport, *, job: PathJob, console: Console) -> None:
    """Why it is not all well, on standard error."""
    row = report.row
    for each in report.rejects:
        say(console, f"{job.path}: record {each.record} (bytes {each.start} to {each.end}) rejected: {each.reason}")
    more = row.records_rejected - len(report.rejects)
    if more > 0 and report.rejects:
        say(console, f"{job.path}: {counted(more, 'record')} more rejected")
    if row.error:
        say(console, f"{job.path}: {row.error}")
    if row.status is Status.PARTIAL and row.chunks_failed:
        say(console, f"{job.path}: {counted(row.chunks_failed, 'chunk')} failed; run the same command to try again")
    if report.exit is Exit.KEPT and row.waits_for:
        say(console, f"{job.path}: waits for: {row.waits_for}")
