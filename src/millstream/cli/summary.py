"""What a run of the engine came to, at its end."""

from collections.abc import Iterator, Sequence

from rich.console import Console

from millstream.cli.output import counted, make_table, print_json, rough_duration, say, stdout_console
from millstream.core.model import Kind
from millstream.core.units import format_size
from millstream.runtime.summary import Tally


def show_summary(tallies: Sequence[Tally], *, as_json: bool, is_quiet: bool) -> None:
    """Put the summary on standard output: as JSON always, for a person unless `is_quiet`."""
    if as_json:
        print_json(summary_document(tallies))
    elif not is_quiet:
        draw_summary(tallies, console=stdout_console())


def summary_document(tallies: Sequence[Tally]) -> dict[str, object]:
    """The summary of the only pipeline, or of all of them under "pipelines"."""
    if len(tallies) == 1:
        return tallies[0].as_dict()
    return {"pipelines": [tally.as_dict() for tally in tallies]}


def draw_summary(tallies: Sequence[Tally], *, console: Console) -> None:
    """Draw a row for each pipeline, whose batches add up from left to right, and a line of what else is to be said."""
    ends = ("done", "dead", "discarded", "kept")
    table = make_table(
        "pipeline",
        *ends,
        "batches",
        "worked",
        "size",
        "retries",
        numbers=(*ends, "batches", "worked", "size", "retries"),
    )
    for tally in tallies:
        counts = (tally.ok, tally.failed, tally.discarded, tally.kept)
        worked = counted(tally.worked, "file" if tally.kind is Kind.BUCKET else "record")
        table.add_row(
            tally.name,
            *(f"{count:,}" for count in counts),
            f"{sum(counts):,}",
            worked,
            format_size(tally.worked_bytes),
            f"{tally.retries:,}",
        )
    console.print(table)
    for tally in tallies:
        say(console, f"{tally.name}: " + "; ".join(_remarks(tally)))


def _remarks(tally: Tally) -> Iterator[str]:
    yield from _files_remarks(tally) if tally.kind is Kind.BUCKET else _stream_remarks(tally)
    yield f"{rough_duration(tally.seconds)} in all"


def _stream_remarks(tally: Tally) -> Iterator[str]:
    rate = f", at {tally.accepted / tally.intake_s:,.0f}/s" if tally.intake_s else ""
    yield f"{counted(tally.accepted, 'record')} accepted, {format_size(tally.accepted_bytes)}{rate}"
    if tally.closed:
        yield "closed by " + ", ".join(f"{reason} {count:,}" for reason, count in sorted(tally.closed.items()))
    if tally.lateness_s:
        yield f"99 % of those that were due closed within {rough_duration(tally.lateness_p99_s)}"


def _files_remarks(tally: Tally) -> Iterator[str]:
    yield f"{counted(tally.planned, 'bucket')} planned, at least {tally.lower_bound:,} were needed"
    for count, what in (
        (tally.refused, "refused"),
        (tally.unsettled, "still being written"),
        (tally.changed, "changed before being worked"),
        (tally.gone, "disappeared before being worked"),
    ):
        if count:
            yield f"{counted(count, 'file')} {what}"
