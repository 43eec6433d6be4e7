"""`millstream status`: what there is and where it is, beside a running engine or without one."""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.cli.arguments import Verbs, add_verb, argument
from millstream.cli.details import show_batch, show_file, show_ingestion
from millstream.cli.documents import batch_document
from millstream.cli.ingestions import GOING, KINDS, files_of, ingestion_document, ingestion_table, with_files
from millstream.cli.ledger_access import Surroundings, find_anything, look_around, open_ledger
from millstream.cli.output import (
    counted,
    print_json,
    say,
    stdout_console,
    styled,
    wants_json,
)
from millstream.cli.place import Place, add_place, place_of
from millstream.cli.styles import STATE_STYLES
from millstream.cli.tables import batch_table
from millstream.core.ingestion import PIPELINE, IngestionRow, ReadIngestions, Status
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.queries import ReadNewestBatches, ReadPipelines, ReadTotals
from millstream.core.rows import BatchRow, PipelineRow, TotalRow
from millstream.core.units import format_size, parse_count
from millstream.ports import Ledger

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LISTED = (State.OPEN, State.READY, State.RUNNING, State.WAITING, State.DEAD)
"""What a person sees one by one; what is over is only counted."""
ROWS = 50
UNLIMITED = 1_000_000
MOST_READY = 5_000
"""Chunks that nobody has begun which are passed by, at most, to find what is listed."""

LISTED_STATUSES = (*GOING, Status.PARTIAL, Status.FAILED)
"""The same for ingestions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A ledger as it was found; `batches` and `ingestions` are oldest first, `files` are those of the batches."""

    place: Place
    around: Surroundings
    pipelines: tuple[PipelineRow, ...]
    totals: tuple[TotalRow, ...]
    batches: tuple[BatchRow, ...]
    ingestions: tuple[IngestionRow, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="status",
        example="millstream status\n  millstream status clicks-00000017\n  millstream status incoming/a.csv --json\n"
        "  millstream status --config mill.toml",
        parents=parents,
    )
    parser.add_argument(
        "name",
        metavar="BATCH|MESSAGE_ID|FILE",
        nargs="?",
        help="a batch id, the message id of an ingestion or the path of a file",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--limit",
        metavar="N",
        type=argument(parse_count),
        help=f"list the newest N batches (default: {ROWS} in a terminal, all as JSON)",
    )
    which.add_argument("--all", action="store_true", help="list all batches, those that are over included")
    add_place(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    asyncio.run(_status(args))
    return 0


async def _status(args: argparse.Namespace) -> None:
    as_json, place = wants_json(args), place_of(args, environment=os.environ)
    async with open_ledger(place) as ledger:
        if args.name is None:
            is_whole = as_json or args.all
            limit = args.limit or (UNLIMITED if is_whole else ROWS)
            snapshot = await take_snapshot(ledger, place=place, is_whole=is_whole, limit=limit)
            if as_json:
                print_json(snapshot_document(snapshot))
            else:
                draw_snapshot(snapshot, console=stdout_console())
            return
        found = await find_anything(ledger, args.name, place=place)
        now_s = (await look_around(ledger, place=place)).now_s
        match found:
            case BatchRow():
                await show_batch(found, ledger=ledger, now_s=now_s, as_json=as_json)
            case IngestionRow():
                await show_ingestion(found, ledger=ledger, now_s=now_s, as_json=as_json)
            case _:
                show_file(found, now_s=now_s, as_json=as_json)


async def take_snapshot(ledger: Ledger, *, place: Place, is_whole: bool, limit: int) -> Snapshot:
    """Read a ledger, and of its batches and ingestions the newest; unless `is_whole`, those that a person looks for."""
    totals = await ledger.read(ReadTotals())
    ingestions = await ledger.read(ReadIngestions(statuses=() if is_whole else LISTED_STATUSES, limit=limit))
    batches = await _newest(ledger, totals=totals, is_whole=is_whole, limit=limit)
    return Snapshot(
        place=place,
        around=await look_around(ledger, place=place),
        pipelines=await ledger.read(ReadPipelines()),
        totals=totals,
        batches=tuple(batches[::-1]),
        ingestions=ingestions[::-1],
        files=await files_of(batches, ledger=ledger) if not is_whole else {},
    )


async def _newest(ledger: Ledger, *, totals: Sequence[TotalRow], is_whole: bool, limit: int) -> Sequence[BatchRow]:
    """Newest first. Chunks that nobody has begun, which are many, are left to their ingestions."""
    if is_whole:
        return await ledger.read(ReadNewestBatches(limit=limit))
    ready = sum(row.batches for row in totals if row.pipeline == PIPELINE and row.state is State.READY)
    found = await ledger.read(ReadNewestBatches(states=LISTED, limit=limit + min(ready, MOST_READY)))
    return [row for row in found if row.kind not in KINDS or row.state is not State.READY][:limit]


# --- JSON -------------------------------------------------------------------------------------------------------------


def snapshot_document(snapshot: Snapshot) -> dict[str, object]:
    """The document of `status --json`."""
    around = snapshot.around
    return {
        "ledger": snapshot.place.ledger,
        "engine": {
            "running": around.is_alive,
            "pid": around.engine_pid,
            "keeper": around.keeper,
            "now": around.now_s,
            "speed": around.speed,
            "paused": around.is_paused,
        },
        "accepted_records": sum(pipeline.accepted_records for pipeline in snapshot.pipelines),
        "pipelines": [_pipeline_document(pipeline, totals=snapshot.totals) for pipeline in snapshot.pipelines],
        "batches": [batch_document(row) for row in snapshot.batches],
        "ingestions": [ingestion_document(row) for row in snapshot.ingestions],
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


def draw_snapshot(snapshot: Snapshot, *, console: "Console") -> None:
    """Draw what `status` shows to a person: the engine, a line per pipeline, a table of batches."""
    around = snapshot.around
    running = _who(snapshot)
    clock = f"; its clock runs {around.speed:g} times as fast as the wall's" if around.speed != 1 else ""
    say(console, running + clock)
    if around.is_paused:
        say(console, "all work is paused; `millstream resume` lets it go", style="bold")
    for pipeline in snapshot.pipelines:
        console.print(_totals_line(pipeline, totals=snapshot.totals), soft_wrap=True)
    if snapshot.ingestions:
        console.print()
        console.print(ingestion_table(snapshot.ingestions, now_s=around.now_s))
    if snapshot.batches:
        console.print()
        console.print(batch_table(with_files(snapshot.batches, files=snapshot.files), now_s=around.now_s))
    hidden = sum(row.batches for row in snapshot.totals) - len(snapshot.batches)
    if hidden > 0:
        say(console, f"{counted(hidden, 'more batch')} not listed; --all lists every one", style="dim")


def _who(snapshot: Snapshot) -> str:
    """Who works; of a shared ledger where it is, too."""
    around = snapshot.around
    if around.is_shared:
        absence = around.absence
        return f"ledger {snapshot.place.shown}: " + (f"looked after by {around.keeper}" if absence is None else absence)
    return "no engine is running" if around.engine_pid is None else f"engine running, process {around.engine_pid}"


def _totals_line(pipeline: PipelineRow, *, totals: Sequence[TotalRow]) -> "Text":
    line = styled(f"{pipeline.name}: ")
    if pipeline.kind is Kind.MINIBATCH:
        accepted = f"{counted(pipeline.accepted_records, 'record')} accepted, {format_size(pipeline.accepted_bytes)}"
        line.append(f"{accepted}; ")
    noun = "file" if pipeline.kind is Kind.BUCKET else "record"
    own = {row.state: row for row in totals if row.pipeline == pipeline.name}
    if pipeline.kind is Kind.CHUNK:
        line.append("chunks and plan steps: ")
    parts = [
        styled(f"{own[state].batches:,} {state} ({counted(own[state].records, noun)})", STATE_STYLES[state])
        for state in State
        if state in own
    ]
    return line.append(styled(", ").join(parts) if parts else "no batches yet")
