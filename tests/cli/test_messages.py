"""Messages: one clear line for each event that a person should know of."""

import logging

import pytest
from rich.console import Console

from millstream.cli.messages import log_events, log_to
from millstream.core.lifecycle import State
from millstream.core.model import CutReason
from millstream.runtime.events import (
    AttemptEnded,
    BatchClaimed,
    BatchClosed,
    Draining,
    Event,
    Evicted,
    FilesListed,
    FilesPlanned,
    IntakeGoesOn,
    IntakeHeld,
    NextRun,
    RecordsAccepted,
    TakenOver,
)


def ended(state: State | None, *, error: str | None = "ValueError: x", evicted: bool = False) -> AttemptEnded:
    """The second attempt on clicks-1 ended."""
    return AttemptEnded(
        pipeline="clicks",
        batch_id="clicks-1",
        attempt=2,
        state=state,
        records=3,
        size_bytes=30,
        seconds=1.0,
        error=error,
        evicted=evicted,
    )


def listed(*, unsettled: tuple[str, ...] = (), refused: tuple[tuple[str, str], ...] = ()) -> FilesListed:
    """A look at the folders."""
    return FilesListed(pipeline="nightly", listed=9, new=9, unsettled=unsettled, refused=refused, ignored=1)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (TakenOver(epoch=2, batches=3), ["took over 3 batches from an engine that had ended"]),
        (TakenOver(epoch=1, batches=0), []),
        (
            IntakeHeld(pipeline="clicks", reason="the disk is full"),
            ["clicks: intake waits: the disk is full; nothing that was accepted is lost"],
        ),
        (IntakeGoesOn(pipeline="clicks"), ["clicks: intake goes on"]),
        (ended(State.WAITING), ["clicks-1: attempt 2 failed and is retried: ValueError: x"]),
        (
            ended(State.DEAD),
            [
                (
                    "clicks-1: dead after attempt 2: ValueError: x; "
                    "`millstream explain clicks-1` says more, `millstream retry clicks-1` tries again"
                )
            ],
        ),
        (ended(State.DISCARDED, error=None), ["clicks-1: discarded: no reason given"]),
        (ended(None, error=None), ["clicks-1: attempt 2 does not count: its claim was not valid any more"]),
        (
            ended(State.READY, error="the workers were stopped"),
            ["clicks-1: attempt 2 does not count: the workers were stopped"],
        ),
        (ended(None, evicted=True), []),
        (ended(State.DONE, error=None), []),
        (
            Evicted(pipeline="nightly", batch_id="nightly-a", changed=1, gone=("/in/a",)),
            [
                "nightly-a: 1 file changed and will be worked anew",
                "nightly-a: /in/a disappeared before it was worked",
            ],
        ),
        (
            listed(unsettled=("/in/a", "/in/b"), refused=(("/in/c", "a link that leaves its root"),)),
            ["nightly: 2 files still being written", "nightly: refused /in/c: a link that leaves its root"],
        ),
        (listed(), []),
        (
            FilesPlanned(
                pipeline="nightly",
                files=100,
                buckets=10,
                size_bytes=50_000_000,
                lower_bound=6,
                optimal=False,
                strategy="lpt",
                est_makespan_s=3.0,
            ),
            ["nightly: packed 100 files, 50 MB, into 10 buckets (lpt; at least 6 needed)"],
        ),
        (NextRun(pipeline="nightly", at=0.0), ["nightly: looks again at 1970-01-01 00:00:00"]),
        (
            Draining(drain="keep", limit_s=30.0),
            ["draining: open minibatches are kept; running attempts get 30s"],
        ),
        (
            Draining(drain="close", limit_s=90.0),
            ["draining: open minibatches are closed and worked; running attempts get 1m30s"],
        ),
        (
            Draining(drain="keep", limit_s=30.0, who="ingest"),
            ["draining: nothing more is begun; running chunks get 30s, and the next start goes on with the rest"],
        ),
        (
            Draining(drain="keep", limit_s=30.0, who="worker"),
            ["draining: nothing more is taken; running attempts get 30s, and other workers go on with the rest"],
        ),
        (RecordsAccepted(pipeline="clicks", at=0.0, records=1, size_bytes=10, open_batches=1), []),
        (BatchClosed(pipeline="clicks", batch_id="clicks-1", cut=CutReason.TIME, records=3, late_s=0.0), []),
        (BatchClaimed(pipeline="clicks", batch_id="clicks-1", attempt=1), []),
    ],
)
def test_important_events_are_a_line(event: Event, lines: list[str], screen: Console) -> None:
    """What goes as planned for every batch is not told, all else is."""
    with log_to(screen, is_quiet=False):
        log_events(event)

    written = [line.partition(" ")[2] for line in screen.file.getvalue().splitlines()]
    assert written == lines


def test_a_line_begins_with_its_time_and_is_harmless(screen: Console) -> None:
    """Whatever an error contains, it cannot steer the terminal or fill more than its line; tracebacks keep theirs."""
    with log_to(screen, is_quiet=False):
        try:
            int("inner")
        except ValueError:
            logging.getLogger("millstream").exception("a \x1b[2J listener failed")

    first, *trace = screen.file.getvalue().splitlines()
    assert first[2] == first[5] == ":"
    assert first[8:] == r" a \x1b[2J listener failed"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1].startswith("ValueError: ")


def test_quiet_is_quiet(screen: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet nothing is written anywhere, not even by Python's last resort."""
    with log_to(screen, is_quiet=True):
        log_events(ended(State.DEAD))

    assert screen.file.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_logging_is_left_as_it_was(screen: Console) -> None:
    """Afterwards the logger has the handlers and the level it had: a program around it keeps its own."""
    logger = logging.getLogger("millstream")
    before = (list(logger.handlers), logger.level, logger.propagate)

    with log_to(screen, is_quiet=False):
        inside = len(logger.handlers)

    assert inside == len(before[0]) + 1
    assert (list(logger.handlers), logger.level, logger.propagate) == before
