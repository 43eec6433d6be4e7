"""Live progress of a running engine on standard error: a row for each pipeline.

Theory of operation: events only move counters; a thread of the display draws them five times a second, so a busy engine
pays for counting alone. That thread starts with the first event and no earlier, because worker hosts are forked
before, from a process that must have no thread.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from millstream.cli.messages import log_events, log_to
from millstream.cli.output import counted, make_table, stderr_console
from millstream.config import Config
from millstream.core.lifecycle import FINISHED, State
from millstream.core.model import Kind
from millstream.runtime.events import (
    AttemptEnded,
    BatchClaimed,
    BatchClosed,
    Event,
    Evicted,
    FilesPlanned,
    Listener,
    RecordsAccepted,
)

REFRESHES_PER_S = 5
RATE_OVER_S = 5
BAR_WIDTH = 24


@contextlib.contextmanager
def progress(config: Config, *, is_quiet: bool) -> Iterator[Sequence[Listener]]:
    """Tell on standard error what an engine does; yields the listeners to give to it, none with `is_quiet`."""
    console = stderr_console()
    with log_to(console, is_quiet=is_quiet), contextlib.ExitStack() as stack:
        listeners: list[Listener] = [] if is_quiet else [log_events]
        if console.is_terminal and not is_quiet:
            rows = [Row(name=stream.name, kind=Kind.MINIBATCH, workers=stream.workers) for stream in config.streams]
            rows += [Row(name=files.name, kind=Kind.BUCKET, workers=files.workers) for files in config.files]
            listeners.append(stack.enter_context(LiveProgress(rows, console=console)))
        yield listeners


@dataclass(slots=True, kw_only=True)
class Row:
    """What the display knows of one pipeline; `made` counts the batches that were closed or planned."""

    name: str
    kind: Kind
    workers: int
    accepted: int = 0
    open: int = 0
    made: int = 0
    ended: int = 0
    retries: int = 0
    dead: int = 0
    claimed: set[str] = field(default_factory=set)
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_OVER_S * REFRESHES_PER_S))

    def note(self, event: Event) -> None:
        """Count one event of this pipeline."""
        match event:
            case RecordsAccepted():
                self.accepted += event.records
                self.open = event.open_batches
            case BatchClosed():
                self.made += 1
            case FilesPlanned():
                self.made += event.buckets
            case BatchClaimed():
                self.claimed.add(event.batch_id)
            case AttemptEnded():
                self.claimed.discard(event.batch_id)
                self.ended += event.state in FINISHED
                self.retries += event.state is State.WAITING
                self.dead += event.state is State.DEAD
            case Evicted():
                # Each file that leaves its bucket gets one of its own; that of a missing file is dead at once.
                self.made += event.changed + len(event.gone)
                self.ended += len(event.gone)
                self.dead += len(event.gone)
            case _:
                pass

    @property
    def total(self) -> int:
        """Batches to be worked, those of an earlier run included as soon as they are claimed."""
        return max(self.made, self.ended + len(self.claimed))

    def rate(self, now_s: float) -> float:
        """Records accepted per second over the last few seconds; to be asked at every refresh, it takes a sample."""
        self.samples.append((now_s, self.accepted))
        then_s, before = self.samples[0]
        return (self.accepted - before) / (now_s - then_s) if now_s > then_s else 0.0


class LiveProgress:
    """A listener that draws, as a context manager."""

    def __init__(self, rows: Sequence[Row], *, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._rows: Mapping[str, Row] = {row.name: row for row in rows}
        self._now = now
        # Standard output is left alone: it may be a pipe.
        self._live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Count `event` where it belongs."""
        if not self._live.is_started:
            self._live.start()
        row = self._rows.get(getattr(event, "pipeline", ""))
        if row is not None:
            row.note(event)

    def render(self) -> Table:
        """The table as it is now."""
        numbers = ("batches", "queue", "busy", "retries", "dead")
        table = make_table("pipeline", "progress", *numbers, numbers=numbers)
        for row in self._rows.values():
            table.add_row(
                row.name,
                self._bar(row) if row.kind is Kind.BUCKET else self._flow(row),
                f"{row.ended:,}/{row.total:,}",
                f"{len(row.claimed)}",
                f"{min(len(row.claimed), row.workers)}/{row.workers}",
                f"{row.retries:,}",
                f"{row.dead:,}",
            )
        return table

    def _bar(self, row: Row) -> ProgressBar:
        return ProgressBar(total=max(row.total, 1), completed=row.ended, width=BAR_WIDTH)

    def _flow(self, row: Row) -> str:
        return f"{counted(row.accepted, 'record')}, {row.rate(self._now()):,.0f}/s, {row.open} open"
