"""`millstream explain`: why a batch, a file or a window is where it is, in plain words."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_command
from millstream.cli.ledger_access import find_batch_or_file, look_around, open_ledger
from millstream.cli.output import STATE_STYLES, print_json, say, stdout_console, wants_json
from millstream.cli.reasons import Case, explain_batch, explain_file
from millstream.core.queries import ReadAttempts, ReadBatches, ReadEvents, ReadQueuePosition
from millstream.core.rows import BatchRow, FileRow
from millstream.errors import ConfigurationError, MissingExtraError
from millstream.ports import Ledger


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_command(
        verbs,
        name="explain",
        summary="Say in plain words why a batch, a file or a window is where it is.",
        example="millstream explain clicks-00000017\n  millstream explain incoming/a.csv\n"
        "  millstream explain window minute:1468244340\n"
        "  millstream explain window day:1468195200 kafka://localhost:9092/clicks",
        parents=parents,
    )
    parser.add_argument(
        "words",
        metavar="BATCH|FILE|window SIZE:START [TOPIC]",
        nargs="+",
        help="a batch id, the path of a file, or a window of a count: the one of this state folder, or of the topic",
    )
    parser.add_argument("--group", metavar="NAME", help="the group that counts the topic (default: millstream-count)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.words[0] == "window" and len(args.words) > 1:
        return _run_window(args)
    if len(args.words) > 1:
        raise ConfigurationError([f"explain: expected one batch, file or window, found {len(args.words)} words"])
    args.name = args.words[0]
    name, state, because = asyncio.run(_explain(args.name, folder=args.state))
    if wants_json(args):
        print_json({"id": name, "state": state, "because": because})
        return 0
    console = stdout_console()
    say(console, f"{name}: {state}", style=STATE_STYLES.get(state, "bold"))
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
    because = explain_count(key, state=Path(args.state), address=next(iter(address), None), group=args.group)
    if wants_json(args):
        print_json({"window": key, "because": because})
        return 0
    console = stdout_console()
    for number, sentence in enumerate(because):
        say(console, ("  " if number else "") + sentence, style="" if number else "bold")
    return 0


async def _explain(name: str, *, folder: str) -> tuple[str, str, list[str]]:
    """The full name, the state, and the reasons."""
    async with open_ledger(folder) as ledger:
        found = await find_batch_or_file(ledger, name, state=folder)
        if isinstance(found, BatchRow):
            return found.id, found.state, explain_batch(await _read_case(ledger, found, folder=folder))
        newest = max(found, key=lambda version: version.seen_at)
        return newest.path, newest.state, await _explain_file(ledger, found, newest=newest, folder=folder)


async def _explain_file(ledger: Ledger, versions: Sequence[FileRow], *, newest: FileRow, folder: str) -> list[str]:
    """What became of every version, and why the bucket of the newest is where it is."""
    around = await look_around(ledger, state=folder)
    because = explain_file(versions, now_s=around.now_s)
    for bucket in await ledger.read(ReadBatches(batch_id=newest.batch_id)):
        case = await _read_case(ledger, bucket, folder=folder)
        because += [f"{bucket.id}: {sentence}" for sentence in explain_batch(case)]
    return because


async def _read_case(ledger: Ledger, batch: BatchRow, *, folder: str) -> Case:
    return Case(
        batch=batch,
        around=await look_around(ledger, state=folder),
        attempts=await ledger.read(ReadAttempts(batch_id=batch.id)),
        events=await ledger.read(ReadEvents(batch_id=batch.id)),
        events_of_all=await ledger.read(ReadEvents(batch_id="")),
        queue_position=await ledger.read(ReadQueuePosition(batch_id=batch.id)),
    )
