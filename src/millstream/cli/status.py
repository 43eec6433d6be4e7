"""`millstream status`: what there is and where it is, beside a running engine or without one."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from millstream.cli.arguments import Verbs, add_command, argument
from millstream.cli.details import show_batch, show_file
from millstream.cli.documents import batch_document
from millstream.cli.ledger_access import Surroundings, find_batch_or_file, look_around, open_ledger
from millstream.cli.output import (
    STATE_STYLES,
    counted,
    print_json,
    say,
    stdout_console,
    wants_json,
)
from millstream.cli.tables import batch_table
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.queries import ReadNewestBatches, ReadPipelines, ReadTotals
from millstream.core.rows import BatchRow, PipelineRow, TotalRow
from millstream.core.units import format_size, parse_count
from millstream.ports import Ledger

LISTED = (State.OPEN, State.READY, State.RUNNING, State.WAITING, State.DEAD)
"""What a person sees one by one; what is over is only counted."""
ROWS = 50
UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A state folder as it was found; `batches` are oldest first."""

    around: Surroundings
    pipelines: tuple[PipelineRow, ...]
    totals: tuple[TotalRow, ...]
    batches: tuple[BatchRow, ...]


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_command(
        verbs,
        name="status",
        summary="Show what there is and where it is: everything, a batch or a file.",
        example="millstream status\n  millstream status clicks-00000017\n  millstream status incoming/a.csv --json",
        parents=parents,
    )
    parser.add_argument("name", metavar="BATCH|FILE", nargs="?", help="a batch id or the path of a file")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--limit",
        metavar="N",
        type=argument(parse_count),
        help=f"list the newest N batches (default: {ROWS} in a terminal, all as JSON)",
    )
    which.add_argument("--all", action="store_true", help="list all batches, those that are over included")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    asyncio.run(_status(args))
    return 0


async def _status(args: argparse.Namespace) -> None:
    as_json = wants_json(args)
    async with open_ledger(args.state) as ledger:
        if args.name is None:
            states = () if as_json or args.all else LISTED
            limit = args.limit or (UNLIMITED if as_json or args.all else ROWS)
            snapshot = await take_snapshot(ledger, state=args.state, states=states, limit=limit)
            if as_json:
                print_json(snapshot_document(snapshot))
            else:
                draw_snapshot(snapshot, console=stdout_console())
            return
        found = await find_batch_or_file(ledger, args.name, state=args.state)
        now_s = (await look_around(ledger, state=args.state)).now_s
        if isinstance(found, BatchRow):
            await show_batch(found, ledger=ledger, now_s=now_s, as_json=as_json)
        else:
            show_file(found, now_s=now_s, as_json=as_json)


async def take_snapshot(ledger: Ledger, *, state: str, states: tuple[State, ...], limit: int) -> Snapshot:
    """Read a state folder, and of its batches the newest in these states."""
    newest_first = await ledger.read(ReadNewestBatches(states=states, limit=limit))
    return Snapshot(
        around=await look_around(ledger, state=state),
        pipelines=await ledger.read(ReadPipelines()),
        totals=await ledger.read(ReadTotals()),
        batches=newest_first[::-1],
    )


# --- JSON -------------------------------------------------------------------------------------------------------------


def snapshot_document(snapshot: Snapshot) -> dict[str, object]:
    """The document of `status --json`."""
    around = snapshot.around
    return {
        "engine": {
            "running": around.engine_pid is not None,
            "pid": around.engine_pid,
            "now": around.now_s,
            "speed": around.speed,
            "paused": around.is_paused,
        },
        "accepted_records": sum(pipeline.accepted_records for pipeline in snapshot.pipelines),
        "pipelines": [_pipeline_document(pipeline, totals=snapshot.totals) for pipeline in snapshot.pipelines],
        "batches": [batch_document(row) for row in snapshot.batches],
    }


def _pipeline_document(pipeline: PipelineRow, *, totals: Sequence[TotalRow]) -> dict[str, object]:
    counts = {row.state: row.batches for row in totals if row.pipeline == pipeline.name}
    return {
        "name": pipeline.name,
        "kind": pipeline.kind,
        "accepted_records": pipeline.accepted_records,
        "accepted_bytes": pipeline.accepted_bytes,
        "states": {state: counts.get(state, 0) for state in State},
    }


# --- terminal ---------------------------------------------------------------------------------------------------------


def draw_snapshot(snapshot: Snapshot, *, console: Console) -> None:
    """Draw what `status` shows to a person: the engine, a line per pipeline, a table of batches."""
    around = snapshot.around
    running = "no engine is running" if around.engine_pid is None else f"engine running, process {around.engine_pid}"
    clock = f"; its clock runs {around.speed:g} times as fast as the wall's" if around.speed != 1 else ""
    say(console, running + clock)
    if around.is_paused:
        say(console, "all work is paused; `millstream resume` lets it go", style="bold")
    for pipeline in snapshot.pipelines:
        console.print(_totals_line(pipeline, totals=snapshot.totals), soft_wrap=True)
    if snapshot.batches:
        console.print()
        console.print(batch_table(snapshot.batches, now_s=around.now_s))
    hidden = sum(row.batches for row in snapshot.totals) - len(snapshot.batches)
    if hidden > 0:
        say(console, f"{counted(hidden, 'more batch')} not listed; --all lists every one", style="dim")


def _totals_line(pipeline: PipelineRow, *, totals: Sequence[TotalRow]) -> Text:
    line = Text(f"{pipeline.name}: ")
    if pipeline.kind is Kind.MINIBATCH:
        accepted = f"{counted(pipeline.accepted_records, 'record')} accepted, {format_size(pipeline.accepted_bytes)}"
        line.append(f"{accepted}; ")
    noun = "file" if pipeline.kind is Kind.BUCKET else "record"
    own = {row.state: row for row in totals if row.pipeline == pipeline.name}
    parts = [
        Text(f"{own[state].batches:,} {state} ({counted(own[state].records, noun)})", style=STATE_STYLES[state])
        for state in State
        if state in own
    ]
    return line.append(Text(", ").join(parts) if parts else "no batches yet")
