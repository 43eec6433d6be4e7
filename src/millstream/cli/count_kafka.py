"""What a live count from Kafka shows: how far each partition is, and how the count ends.

Theory of operation: processes tell news twice a second; the newest of each is kept, and drawn by the supervisor's own
loop, so no thread is needed. Without a terminal a line is written now and then instead.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from millstream.cli.count_display import error_rate
from millstream.cli.output import counted, make_table, rough_duration, say, stderr_console
from millstream.cli.results_echo import ResultsEcho
from millstream.counting.guard import LIMIT, SPAN, LossGuard
from millstream.counting.live.worker import Progress
from millstream.counting.model import Totals
from millstream.errors import MillstreamError
from millstream.wiring.count_kafka import MergerNews, WorkerNews
from millstream.wiring.kafka_count import KafkaCount

LINE_EVERY_S = 30.0
RATE_OVER_S = 5.0
REDRAWN_EVERY_S = 0.25


class KafkaDisplay:
    """Tells a person how a live count goes, as a context manager while it runs; `show` tells the end.

    With an `echo` its results are on standard output, too; in a terminal they take the place of the live table.
    """

    def __init__(
        self, count: KafkaCount, *, summary: str | None, is_quiet: bool, echo: ResultsEcho | None = None
    ) -> None:
        self._count, self._summary, self._is_quiet, self._echo = count, summary, is_quiet, echo
        self._console = stderr_console()
        self._draws = self._console.is_terminal and not (echo is not None and sys.stdout.isatty())
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._began_s = time.monotonic()
        self._drawn_s = self._told_s = 0.0
        self._workers: dict[tuple[str, int], WorkerNews] = {}
        self._merger: MergerNews | None = None
        self._rates: list[tuple[float, int]] = []
        self._guard = LossGuard()
        self._lost = 0
        self._alarmed = False

    def __enter__(self) -> Self:
        if not self._is_quiet:
            what = "deltas" if self._count.workers == 0 else f"{self._count.topic}"
            say(self._console, f"count: reading {what} at {self._count.brokers} as group {self._count.group}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    @property
    def totals(self) -> Totals:
        """What the workers of this run committed."""
        return sum((news.totals for news in self._workers.values()), Totals())

    def news(self, name: str, start: int, news: WorkerNews | MergerNews) -> None:
        """Hear from a process."""
        if isinstance(news, MergerNews):
            self._merger = news
            return
        self._workers[name, start] = news
        totals = self.totals
        if totals.lost > self._lost:
            too_many = self._guard.lose(totals.lost - self._lost, frames=totals.frames)
            self._lost = totals.lost
            if too_many and not self._alarmed:
                self._alarm(totals)
            self._alarmed = too_many

    def tell(self, line: str) -> None:
        """Say a line that a process or the supervisor has to say."""
        if not self._is_quiet:
            say(self._console, line, style="yellow")

    def idle(self) -> None:
        """Redraw, when it is time."""
        if self._echo is not None:
            self._echo.show()
        now_s = time.monotonic()
        if self._is_quiet:
            return
        self._rates = [one for one in self._rates if one[0] > now_s - RATE_OVER_S] + [(now_s, self.totals.frames)]
        if self._draws:
            if now_s - self._drawn_s >= REDRAWN_EVERY_S:
                self._drawn_s = now_s
                if not self._live.is_started:
                    self._live.start()
                self._live.update(Group(Text(self._line()), self._table()), refresh=True)
        elif now_s - max(self._told_s, self._began_s) >= LINE_EVERY_S:
            self._told_s = now_s
            say(self._console, self._line())

    def show(self) -> None:
        """Tell the end, and write the summary."""
        seconds = time.monotonic() - self._began_s
        totals = self.totals
        if self._summary is not None:
            _write_summary(Path(self._summary), self._document(seconds))
        if self._is_quiet:
            return
        say(
            self._console,
            f"{counted(totals.frames, 'frame')} committed in {rough_duration(seconds)}, "
            f"{totals.rejected:,} rejected, {totals.quarantined:,} quarantined, {totals.dropped:,} dropped "
            f"({error_rate(totals):.4%}), {totals.late:,} late; the same command goes on from here",
        )

    def _document(self, seconds: float) -> dict[str, object]:
        totals = self.totals
        return {
            "frames": totals.frames,
            "rejected": totals.rejected,
            "quarantined": totals.quarantined,
            "late": totals.late,
            "dropped": totals.dropped,
            "error_rate": error_rate(totals),
            "users": None,
            "frames_per_s": round(totals.frames / seconds) if seconds else 0,
            "seconds": round(seconds, 3),
            "windows": self._merger.closed if self._merger else 0,
            "scanner": next((news.scanner for news in self._workers.values()), None),
            "group": self._count.group,
        }

    def _alarm(self, totals: Totals) -> None:
        say(
            self._console,
            f"millstream: alarm: more than {LIMIT:,} of {SPAN:,} frames are lost: {totals.rejected:,} rejected, "
            f"{totals.quarantined:,} quarantined, {totals.dropped:,} dropped of {totals.frames:,} so far; "
            "see the dead letters",
            style="red",
        )

    def _line(self) -> str:
        (first_s, first), (last_s, last) = self._rates[0], self._rates[-1]
        rate = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        partitions = self._partitions()
        lag = sum(max(0, one.end - (one.position or 0)) for one in partitions)
        parts = [counted(last, "frame"), f"{rate:,.0f}/s", f"{lag:,} behind in {counted(len(partitions), 'partition')}"]
        if self._merger is not None:
            if not self._merger.active:
                parts.append("another merger is at work")
            elif not self._merger.replayed:
                parts.append("the merger reads again what it needs")
            parts.append(f"watermark {_moment(self._merger.watermark)}")
            parts.append(f"{counted(self._merger.closed, 'window')} final")
        return "count: " + ", ".join(parts)

    def _table(self) -> Table:
        numbers = ("partition", "position", "behind")
        table = make_table(*numbers, "watermark", "state", numbers=numbers)
        for one in self._partitions():
            behind = max(0, one.end - (one.position or 0))
            state = "idle" if one.idle else "caught up" if not behind else "catching up"
            table.add_row(str(one.partition), f"{one.position or 0:,}", f"{behind:,}", _moment(one.watermark), state)
        return table

    def _partitions(self) -> list[Progress]:
        """The partitions of the workers as they are now: of each worker the newest start counts."""
        newest: dict[str, tuple[int, WorkerNews]] = {}
        for (name, start), news in self._workers.items():
            if name not in newest or start > newest[name][0]:
                newest[name] = (start, news)
        found = {one.partition: one for _, news in newest.values() for one in news.progress}
        return [found[number] for number in sorted(found)]


def _moment(at_s: int | None) -> str:
    return "-" if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}"


def _write_summary(path: Path, document: dict[str, object]) -> None:
    try:
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    except OSError as error:
        raise MillstreamError(f"summary: {path}: cannot be written: {error.strerror}") from None
