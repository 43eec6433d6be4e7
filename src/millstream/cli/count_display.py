"""What a count of files or of standard input shows: progress, results in a terminal, and the summary.

Theory of operation: results are JSON lines, except in a terminal, where each is a line that is easy to read. Everything
else goes to standard error: a line of progress in a terminal, redrawn by the count itself now and then, so that no
thread is needed; and at the end the summary, which `--summary` writes as JSON, too.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import msgspec

from millstream.cli.lines import stderr_lines
from millstream.cli.output import counted, rough_duration
from millstream.config import CountConfig
from millstream.core.units import format_size
from millstream.counting.files.output import LineSink, StandardOutput
from millstream.counting.files.rules import CountProgress, CountReport, Ending, Watcher
from millstream.counting.guard import LIMIT, SPAN
from millstream.counting.model import Result, Size, Status, Totals
from millstream.errors import MillstreamError

OPEN_SHOWN = 6


class CountDisplay:
    """Tells a person how a count goes, as a context manager while it runs; `show` tells the end."""

    def __init__(self, config: CountConfig, *, is_quiet: bool, as_json: bool) -> None:
        self._config = config
        self._is_quiet = is_quiet
        self._as_json = as_json
        self._lines = stderr_lines()
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.stop()

    @property
    def watcher(self) -> Watcher:
        """Whom the count is to tell."""
        return Watcher(progress=self._progress, losses=self._losses, remark=self._remark)

    def standard_output(self) -> LineSink:
        """Where results go that go to standard output."""
        if sys.stdout.isatty() and not self._as_json:
            return TerminalSink(zone=self._config.zone)
        return StandardOutput()

    def fail(self, error: MillstreamError) -> None:
        """Tell why it broke off."""
        self._lines.say(f"millstream: error: {error}")

    def show(self, report: CountReport, *, state: Path | None) -> None:
        """Tell the end."""
        if self._config.summary is not None:
            _write_summary(Path(self._config.summary), report)
        for path, damage in report.damages:
            self._lines.say(f"millstream: error: {path}: {damage}; what came before that was counted")
        if self._is_quiet:
            return
        for line in _ending_lines(report, state=state):
            self._lines.say(line, style="yellow")
        for line in summary_lines(report):
            self._lines.say(line)

    def _remark(self, line: str) -> None:
        if not self._is_quiet:
            self._lines.say(f"millstream: {line}", style="yellow")

    def _progress(self, progress: CountProgress) -> None:
        shows_results = self._config.output in {None, "-"} and sys.stdout.isatty()
        if self._is_quiet or shows_results or not self._lines.is_drawn:
            return
        self._lines.draw(self._line(progress))

    def _line(self, progress: CountProgress) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        size = format_size(progress.read_bytes)
        if progress.total_bytes:
            size += f" of {format_size(progress.total_bytes)}, {progress.read_bytes / progress.total_bytes:.0%}"
        parts = [size, counted(progress.totals.frames, "frame"), f"{progress.totals.frames / seconds:,.0f}/s"]
        if progress.watermark is not None:
            parts.append(f"watermark {datetime.fromtimestamp(progress.watermark, UTC):%Y-%m-%d %H:%M:%S} UTC")
        parts.append(f"{counted(progress.windows, 'window')} final")
        return ", ".join(parts)

    def _losses(self, totals: Totals) -> None:
        text = (
            f"more than {LIMIT:,} of {SPAN:,} frames are lost: {totals.rejected:,} rejected, "
            f"{totals.quarantined:,} quarantined, {totals.dropped:,} dropped of {totals.frames:,} so far"
        )
        advice = "going on, as --allow-loss says" if self._config.allow_loss else "see the copies, or --allow-loss"
        self._lines.say(f"millstream: alarm: {text}; {advice}", style="red")


class TerminalSink:
    """Shows results to a person. Implements LineSink."""

    def __init__(self, *, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._decode = msgspec.json.Decoder(Result).decode

    @property
    def length(self) -> int:
        """See LineSink; a terminal cannot be cut."""
        return 0

    def write(self, data: bytes) -> None:
        """See LineSink."""
        for line in data.splitlines():
            sys.stdout.write(self._text(self._decode(line)) + "\n")

    def flush(self) -> None:
        """See LineSink."""
        sys.stdout.flush()

    def sync(self) -> int:
        """See LineSink."""
        self.flush()
        return 0

    def close(self) -> None:
        """See LineSink."""
        self.flush()

    def _text(self, result: Result) -> str:
        start = datetime.fromtimestamp(result.start, UTC if result.by in {Size.MINUTE, Size.HOUR} else self._zone)
        bounds = "" if result.exact else f" ({result.low:,} to {result.high:,})"
        users = f"{counted(result.users, 'user')}{bounds}"
        status = "" if result.status is Status.FINAL else f", {result.status}"
        return f"{result.by:6} {start:%Y-%m-%d %H:%M %Z}  {users}, {counted(result.frames, 'frame')}{status}"


def summary_document(report: CountReport) -> dict[str, object]:
    """The summary, as it is written as JSON."""
    totals = report.totals
    return {
        "frames": totals.frames,
        "rejected": totals.rejected,
        "quarantined": totals.quarantined,
        "late": totals.late,
        "dropped": totals.dropped,
        "error_rate": error_rate(totals),
        "users": report.users.users,
        "frames_per_s": round(report.frames_per_s),
        "seconds": round(report.seconds, 3),
        "windows": report.windows,
        "scanner": report.scanner,
    }


def error_rate(totals: Totals) -> float:
    """The share of frames that are not in their minute."""
    return round(totals.lost / totals.frames, 9) if totals.frames else 0.0


def _write_summary(path: Path, report: CountReport) -> None:
    try:
        path.write_text(json.dumps(summary_document(report)) + "\n", encoding="utf-8")
    except OSError as error:
        raise MillstreamError(f"summary: {path}: cannot be written: {error.strerror}") from None


def _ending_lines(report: CountReport, *, state: Path | None) -> list[str]:
    match report.ending:
        case Ending.BEFORE:
            return [f"everything was counted by an earlier run, as {state} says; the output is as it was"]
        case Ending.STOPPED if state is not None:
            return ["stopped before the end; the same command goes on from here"]
        case Ending.STOPPED:
            return [f"stopped before the end; {_open_text(report.open)}"]
        case Ending.LOSSES:
            more = "; the same command with --allow-loss goes on from here" if state is not None else ""
            return [f"stopped instead of losing more; {_open_text(report.open)}{more}"]
        case _:
            return []


def _open_text(windows: tuple[str, ...]) -> str:
    if not windows:
        return "no window was open"
    shown = ", ".join(windows[:OPEN_SHOWN]) + (", ..." if len(windows) > OPEN_SHOWN else "")
    return f"{counted(len(windows), 'window')} still open and not put out: {shown}"


def summary_lines(report: CountReport) -> list[str]:
    """The summary for a person: what was counted, and what was late or lost."""
    totals, users = report.totals, report.users
    about = "" if users.exact else f" (estimated, {users.low:,} to {users.high:,})"
    return [
        ", ".join(
            (
                counted(totals.frames, "frame"),
                f"{counted(users.users, 'user')}{about}",
                counted(report.windows, "window"),
                f"in {rough_duration(report.seconds)}",
                f"{report.frames_per_s:,.0f} frames/s",
                f"{report.scanner} scanner",
            )
        ),
        f"{totals.late:,} late; lost {error_rate(totals):.4%}: {totals.rejected:,} rejected, "  # noqa: ISC004 - one line
        f"{totals.quarantined:,} quarantined, {totals.dropped:,} dropped",
    ]
