"""The verbs with which an operator steps in: `dead`, `retry`, `pause`, `resume`, `cancel`.

Theory of operation: each is one operation on the ledger, followed by a ring at the engine's door. What a batch's state
does not allow is refused with a hint; what is so already is no error, so all of them can be repeated.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millstream.cli.arguments import Verbs, add_command
from millstream.cli.documents import batch_document
from millstream.cli.ledger_access import find_batch, look_around, open_ledger, ring_engine
from millstream.cli.output import counted, print_json, say, stdout_console, wants_json
from millstream.cli.tables import batch_table
from millstream.core.lifecycle import FINISHED, TRANSITIONS, State, Step
from millstream.core.operations import Cancel, Operation, Revive, SetPaused
from millstream.core.queries import ReadBatches
from millstream.core.rows import BatchRow
from millstream.errors import NotAllowedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """One of the verbs: what it does to a batch (or to all, under None) in which states, and how that is told.

    `everything` is the flag that stands for all batches; None where leaving the batch out does.
    """

    verb: str
    summary: str
    operation: Callable[[str | None, float], Operation[int]]
    states: tuple[State, ...]
    outcome: str
    everything: str | None


INTERVENTIONS = (
    Intervention(
        verb="retry",
        summary="Make a dead batch, or all of them, ready again with fresh retries.",
        operation=lambda batch_id, at: Revive(batch_id=batch_id, at=at),
        states=TRANSITIONS[Step.REVIVE].sources,
        outcome="ready again",
        everything="--dead",
    ),
    Intervention(
        verb="pause",
        summary="Hold a batch, or all work, back; an attempt that runs goes on.",
        operation=lambda batch_id, at: SetPaused(batch_id=batch_id, paused=True, at=at),
        states=tuple(state for state in State if state not in FINISHED),
        outcome="paused",
        everything=None,
    ),
    Intervention(
        verb="resume",
        summary="Let a paused batch, or all work, go on.",
        operation=lambda batch_id, at: SetPaused(batch_id=batch_id, paused=False, at=at),
        states=tuple(State),
        outcome="not paused",
        everything=None,
    ),
    Intervention(
        verb="cancel",
        summary="Give up a batch, or all that are not at their end; an attempt that runs is ended.",
        operation=lambda batch_id, at: Cancel(batch_id=batch_id, at=at),
        states=(*TRANSITIONS[Step.CLOSE_CANCELLED].sources, *TRANSITIONS[Step.CANCEL].sources),
        outcome="cancelled",
        everything="--all",
    ),
)


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register all five verbs."""
    dead = add_command(
        verbs,
        name="dead",
        summary="List the dead batches with their errors.",
        example="millstream dead",
        parents=parents,
    )
    dead.set_defaults(run=_dead)
    for intervention in INTERVENTIONS:
        command = f"millstream {intervention.verb}"
        parser = add_command(
            verbs,
            name=intervention.verb,
            summary=intervention.summary,
            example=f"{command} clicks-00000017\n  {command} {intervention.everything or ''}".rstrip(),
            parents=parents,
        )
        if intervention.everything is None:
            parser.add_argument("batch", metavar="BATCH", nargs="?", help="a batch id (default: all work)")
        else:
            which = parser.add_mutually_exclusive_group(required=True)
            which.add_argument("batch", metavar="BATCH", nargs="?", help="a batch id")
            which.add_argument(intervention.everything, dest="everything", action="store_true", help="all of them")
        parser.set_defaults(run=_intervene, intervention=intervention)


def _dead(args: argparse.Namespace) -> int:
    rows, now_s = asyncio.run(_read_dead(args.state))
    if wants_json(args):
        print_json({"batches": [batch_document(row) for row in rows]})
        return 0
    console = stdout_console()
    if not rows:
        say(console, "no dead batches")
        return 0
    console.print(batch_table(rows, now_s=now_s))
    say(console, "`millstream explain BATCH` says more, `millstream retry BATCH` tries again", style="dim")
    return 0


async def _read_dead(folder: str) -> tuple[tuple[BatchRow, ...], float]:
    """The dead batches, and the engine's time."""
    async with open_ledger(folder) as ledger:
        rows = await ledger.read(ReadBatches(states=(State.DEAD,)))
        return rows, (await look_around(ledger, state=folder)).now_s


def _intervene(args: argparse.Namespace) -> int:
    intervention: Intervention = args.intervention
    changed, has_engine = asyncio.run(_apply(intervention, args.batch, folder=args.state))
    if wants_json(args):
        print_json({"changed": changed, "batch": args.batch})
    elif not args.quiet:
        console = stdout_console()
        everything = "all work" if intervention.everything is None else counted(changed, "batch")
        already = "" if changed or args.batch is None else " already"
        say(console, f"{args.batch or everything}: {intervention.outcome}{already}")
        if not has_engine:
            say(console, "no engine is running on this state folder; it counts when one is started", style="dim")
    return 0


async def _apply(intervention: Intervention, batch_id: str | None, *, folder: str) -> tuple[int, bool]:
    """Carry it out; returns how many batches it changed and whether an engine runs. Raises NotAllowedError."""
    async with open_ledger(folder) as ledger:
        if batch_id is not None:
            row = await find_batch(ledger, batch_id, state=folder)
            if row.state not in intervention.states:
                hint = f"expected one that is {' or '.join(intervention.states)}"
                raise NotAllowedError(name=row.id, step=intervention.verb, state=row.state, hint=hint)
        around = await look_around(ledger, state=folder)
        changed = await ledger.do(intervention.operation(batch_id, around.now_s))
    ring_engine(folder)
    return changed, around.engine_pid is not None
