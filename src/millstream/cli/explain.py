"""`millstream explain`: why a batch, an ingestion, a file or a window is where it is, in plain words."""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.ingestion_reasons import IngestionCase, Trouble, explain_ingestion, explain_part
from millstream.cli.ingestions import KINDS, STYLES, chunk_of
from millstream.cli.ledger_access import Surroundings, find_anything, look_around, open_ledger
from millstream.cli.output import print_json, say, stdout_console, wants_json
from millstream.cli.place import STATE_VARIABLE, Place, add_place, place_of
from millstream.cli.reasons import Case, explain_batch, explain_file
from millstream.cli.styles import STATE_STYLES
from millstream.config import EngineConfig
from millstream.core.hold import hold_key, load_hold
from millstream.core.ingestion import ChunkRow, IngestionRow, ReadChunks, ReadIngestion, plan_id
from millstream.core.lifecycle import State
from millstream.core.queries import ReadAttempts, ReadBatches, ReadEvents, ReadMeta, ReadQueuePosition
from millstream.core.rows import BatchRow, FileRow
from millstream.errors import ConfigurationError, MissingExtraError
from millstream.ports import Ledger

MOST_TROUBLES = 1_000
"""Failed chunks of an ingestion that are counted."""

_TROUBLES = ((State.WAITING,), (State.DEAD, State.DISCARDED))


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="explain",
        example="millstream explain clicks-00000017\n  millstream explain incoming/a.csv\n"
        "  millstream explain 0198a4f2c7e1d2b3a4958671605f4e3d --config mill.toml\n"
        "  millstream explain window minute:1468244340\n"
        "  millstream explain window day:1468195200 kafka://localhost:9092/clicks",
        parents=parents,
    )
    parser.add_argument(
        "words",
        metavar="BATCH|MESSAGE_ID|FILE|window SIZE:START [TOPIC]",
        nargs="+",
        help="a batch id, the message id of an ingestion, the path of a file, or a window of a count: the one of this "
        "state folder, or of the topic",
    )
    parser.add_argument("--group", metavar="NAME", help="the group that counts the topic (default: millstream-count)")
    add_place(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.words[0] == "window" and len(args.words) > 1:
        return _run_window(args)
    if len(args.words) > 1:
        words = len(args.words)
        raise ConfigurationError([f"explain: expected one batch, ingestion, file or window, found {words} words"])
    name, state, because = asyncio.run(_explain(args.words[0], place=place_of(args, environment=os.environ)))
    if wants_json(args):
        print_json({"id": name, "state": state, "because": because})
        return 0
    console = stdout_console()
    say(console, f"{name}: {state}", style=STATE_STYLES.get(state) or STYLES.get(state, "bold"))
    for sentence in because:
        say(console, f"  {sentence}")
    return 0


def _run_window(args: argparse.Namespace) -> int:
    key, *address = args.words[1:]
    if len(address) > 1:
        raise ConfigurationError([f"explain: expected a window and at most one topic, found {args.words[1:]}"])
    try:
        from millstream.wiring.explain_count import explain_count  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="count", feature="millstream explain window") from error
    if args.config is not None or args.ledger is not None:
        raise ConfigurationError(
            ["explain window: expected --state or a topic, where counts keep windows, found a ledger"]
        )
    folder = args.state or os.environ.get(STATE_VARIABLE) or EngineConfig.state
    because = explain_count(key, state=Path(folder), address=next(iter(address), None), group=args.group)
    if wants_json(args):
        print_json({"window": key, "because": because})
        return 0
    console = stdout_console()
    for number, sentence in enumerate(because):
        say(console, ("  " if number else "") + sentence, style="" if number else "bold")
    return 0


async def _explain(name: str, *, place: Place) -> tuple[str, str, list[str]]:
    """The full name, the state, and the reasons."""
    async with open_ledger(place) as ledger:
        found = await find_anything(ledger, name, place=place)
        around = await look_around(ledger, place=place)
        match found:
            case BatchRow():
                return found.id, found.state, await _explain_batch(ledger, found, around=around)
            case IngestionRow():
                case = await _read_ingestion_case(ledger, found, around=around)
                return found.spec.message_id, found.status, explain_ingestion(case)
            case _:
                newest = max(found, key=lambda version: version.seen_at)
                because = await _explain_file(ledger, found, newest=newest, around=around)
                return newest.path, newest.state, because


async def _explain_batch(ledger: Ledger, batch: BatchRow, *, around: Surroundings) -> list[str]:
    """Why a batch is where it is, and of which file it is a part."""
    because = explain_batch(await _read_case(ledger, batch, around=around))
    row = await ledger.read(ReadIngestion(message_id=batch.key)) if batch.kind in KINDS and batch.key else None
    if row is None:
        return because
    return because + explain_part(batch, row=row, chunk=await chunk_of(batch, ledger=ledger))


async def _explain_file(
    ledger: Ledger, versions: Sequence[FileRow], *, newest: FileRow, around: Surroundings
) -> list[str]:
    """What became of every version, and why the bucket of the newest is where it is."""
    because = explain_file(versions, now_s=around.now_s)
    for bucket in await ledger.read(ReadBatches(batch_id=newest.batch_id)):
        case = await _read_case(ledger, bucket, around=around)
        because += [f"{bucket.id}: {sentence}" for sentence in explain_batch(case)]
    return because


async def _read_case(ledger: Ledger, batch: BatchRow, *, around: Surroundings) -> Case:
    return Case(
        batch=batch,
        around=around,
        attempts=await ledger.read(ReadAttempts(batch_id=batch.id)),
        events=await ledger.read(ReadEvents(batch_id=batch.id)),
        events_of_all=await ledger.read(ReadEvents(batch_id="")),
        queue_position=await ledger.read(ReadQueuePosition(batch_id=batch.id)),
        hold=load_hold(await ledger.read(ReadMeta(key=hold_key(batch.pipeline)))),
    )


async def _read_ingestion_case(ledger: Ledger, row: IngestionRow, *, around: Surroundings) -> IngestionCase:
    step = await ledger.read(ReadBatches(batch_id=plan_id(row.spec.message_id, seq=row.planned_to.seq)))
    waiting, failed = [[_trouble_of_step(each) for each in step if each.state in states] for states in _TROUBLES]
    for states, found in zip(_TROUBLES, (waiting, failed), strict=True):
        chunks = await ledger.read(ReadChunks(message_id=row.spec.message_id, states=states, limit=MOST_TROUBLES))
        found += [_trouble_of_chunk(each) for each in chunks]
    return IngestionCase(row=row, around=around, waiting=tuple(waiting), failed=tuple(failed))


def _trouble_of_step(row: BatchRow) -> Trouble:
    return Trouble(batch_id=row.id, state=row.state, attempts=row.attempts, error=row.error, not_before=row.not_before)


def _trouble_of_chunk(row: ChunkRow) -> Trouble:
    return Trouble(
        batch_id=row.batch_id, state=row.state, attempts=row.attempts, error=row.error, not_before=row.not_before
    )
