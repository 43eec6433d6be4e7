"""The verbs with which an operator steps in: `dead`, `retry`, `pause`, `resume`, `cancel`.

Theory of operation: each is one operation on the ledger, followed by a ring at the engine's door. It is done to a
batch, to everything, or to an ingestion, which is all of its batches and those that are still to be planned. What a
state does not allow is refused with a hint; what is so already is no error, so all of them can be repeated.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.documents import batch_document
from millstream.cli.ingestions import GOING, KINDS, files_of, with_files
from millstream.cli.ledger_access import change, find_work, look_around, open_ledger
from millstream.cli.output import counted, print_json, say, stdout_console, wants_json
from millstream.cli.place import Place, add_place, place_of
from millstream.cli.tables import batch_table
from millstream.core.ingestion import Act, Action, IngestionRow, Status
from millstream.core.lifecycle import FINISHED, TRANSITIONS, State, Step
from millstream.core.operations import Cancel, Operation, Revive, SetPaused
from millstream.core.queries import ReadBatches, ReadEvents
from millstream.core.rows import BatchRow
from millstream.errors import NotAllowedError
from millstream.ports import Ledger

WHICH = "a batch id, or the message id of an ingestion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """One of the verbs: what it does to a batch (or to all, under None) in which states, and how that is told.

    `action` and `statuses` are the same for ingestions, and `noted` is the event that a change leaves. `everything` is
    the flag that stands for all batches; None where leaving the batch out does.
    """

    verb: str
    operation: Callable[[str | None, float], Operation[int]]
    states: tuple[State, ...]
    action: Action
    statuses: tuple[Status, ...]
    noted: str
    outcome: str
    everything: str | None


INTERVENTIONS = (
    Intervention(
        verb="retry",
        operation=lambda batch_id, at: Revive(batch_id=batch_id, at=at),
        states=TRANSITIONS[Step.REVIVE].sources,
        action=Action.RETRY,
        noted="retried",
        statuses=tuple(status for status in Status if status not in (Status.SUCCEEDED, Status.CANCELLED)),
        outcome="ready again",
        everything="--dead",
    ),
    Intervention(
        verb="pause",
        operation=lambda batch_id, at: SetPaused(batch_id=batch_id, paused=True, at=at),
        states=tuple(state for state in State if state not in FINISHED),
        action=Action.PAUSE,
        noted="paused",
        statuses=GOING,
        outcome="paused",
        everything=None,
    ),
    Intervention(
        verb="resume",
        operation=lambda batch_id, at: SetPaused(batch_id=batch_id, paused=False, at=at),
        states=tuple(State),
        action=Action.RESUME,
        noted="resumed",
        statuses=GOING,
        outcome="not paused",
        everything=None,
    ),
    Intervention(
        verb="cancel",
        operation=lambda batch_id, at: Cancel(batch_id=batch_id, at=at),
        states=(*TRANSITIONS[Step.CLOSE_CANCELLED].sources, *TRANSITIONS[Step.CANCEL].sources),
        action=Action.CANCEL,
        noted="cancelled",
        statuses=(*GOING, Status.CANCELLED),
        outcome="cancelled",
        everything="--all",
    ),
)


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register all five verbs."""
    dead = add_verb(
        verbs,
        name="dead",
        example="millstream dead\n  millstream dead --config mill.toml",
        parents=parents,
    )
    add_place(dead)
    dead.set_defaults(run=_dead)
    for intervention in INTERVENTIONS:
        command = f"millstream {intervention.verb}"
        parser = add_verb(
            verbs,
            name=intervention.verb,
            example=f"{command} clicks-00000017\n  {command} 0198a4f2c7e1d2b3a4958671605f4e3d --config mill.toml\n"
            f"  {command} {intervention.everything or ''}".rstrip(),
            parents=parents,
        )
        if intervention.everything is None:
            parser.add_argument("batch", metavar="BATCH|MESSAGE_ID", nargs="?", help=f"{WHICH} (default: all work)")
        else:
            which = parser.add_mutually_exclusive_group(required=True)
            which.add_argument("batch", metavar="BATCH|MESSAGE_ID", nargs="?", help=WHICH)
            which.add_argument(intervention.everything, dest="everything", action="store_true", help="all of them")
        add_place(parser)
        parser.set_defaults(run=_intervene, intervention=intervention)


def _dead(args: argparse.Namespace) -> int:
    rows, files, now_s = asyncio.run(_read_dead(place_of(args, environment=os.environ)))
    if wants_json(args):
        print_json({"batches": [_document(row, files=files) for row in rows]})
        return 0
    console = stdout_console()
    if not rows:
        say(console, "no dead batches")
        return 0
    console.print(batch_table(with_files(rows, files=files), now_s=now_s))
    say(console, "`millstream explain BATCH` says more, `millstream retry BATCH` tries again", style="dim")
    return 0


def _document(row: BatchRow, *, files: Mapping[str, str]) -> dict[str, object]:
    """A batch; of a chunk or a plan step with its file."""
    return batch_document(row) | ({"file": files.get(row.key or "")} if row.kind in KINDS else {})


async def _read_dead(place: Place) -> tuple[tuple[BatchRow, ...], Mapping[str, str], float]:
    """The dead batches, the files of their ingestions, and the engine's time."""
    async with open_ledger(place) as ledger:
        rows = await ledger.read(ReadBatches(states=(State.DEAD,)))
        return rows, await files_of(rows, ledger=ledger), (await look_around(ledger, place=place)).now_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What became of it: how many batches, or ingestions, were changed; `status` is that of the ingestion then."""

    changed: int
    is_alive: bool
    status: Status | None = None


def _intervene(args: argparse.Namespace) -> int:
    intervention: Intervention = args.intervention
    place = place_of(args, environment=os.environ)
    applied = asyncio.run(_apply(intervention, args.batch, place=place))
    if wants_json(args):
        own = {"batch": args.batch} if applied.status is None else {"ingestion": args.batch, "status": applied.status}
        print_json({"changed": applied.changed, **own})
    elif not args.quiet:
        console = stdout_console()
        everything = "all work" if intervention.everything is None else counted(applied.changed, "batch")
        already = "" if applied.changed or args.batch is None else " already"
        say(console, f"{args.batch or everything}: {intervention.outcome}{already}")
        if place.is_shared:
            say(console, f"ledger {place.shown}", style="dim")
        if not applied.is_alive:
            who = "service or worker" if place.is_shared else "engine"
            where = "ledger" if place.is_shared else "state folder"
            say(console, f"no {who} is running on this {where}; it counts when one is started", style="dim")
    return 0


async def _apply(intervention: Intervention, name: str | None, *, place: Place) -> _Applied:
    """Carry it out; raises UnknownBatchError, NotAllowedError."""
    async with open_ledger(place) as ledger:
        found = None if name is None else await find_work(ledger, name, place=place)
        around = await look_around(ledger, place=place)
        if isinstance(found, IngestionRow):
            changed, status = await _act(intervention, found, ledger=ledger, place=place, now_s=around.now_s)
        else:
            _refuse(intervention, found)
            operation, status = intervention.operation(name, around.now_s), None
            changed = await change(ledger, operation, place=place, now_s=around.now_s)
            if found is not None and found.state is State.DEAD and not changed:
                hint = f"its ingestion {found.key} was cancelled or begun anew"
                raise NotAllowedError(name=found.id, step=intervention.verb, state=found.state, hint=hint)
    return _Applied(changed=changed, is_alive=around.is_alive, status=status)


def _refuse(intervention: Intervention, row: BatchRow | None) -> None:
    if row is not None and row.state not in intervention.states:
        hint = f"expected one that is {' or '.join(intervention.states)}"
        raise NotAllowedError(name=row.id, step=intervention.verb, state=row.state, hint=hint)


async def _act(
    intervention: Intervention, row: IngestionRow, *, ledger: Ledger, place: Place, now_s: float
) -> tuple[int, Status]:
    """Do it to an ingestion; returns whether that changed anything, as a number, and its status."""
    action, message_id = intervention.action, row.spec.message_id
    if row.successor:
        raise _not_allowed(intervention, row, hint=f"{row.successor} took its place")
    if row.status not in intervention.statuses:
        raise _not_allowed(intervention, row, hint=f"expected one that is {' or '.join(intervention.statuses)}")
    operation = Act(message_id=message_id, action=action, at=now_s)
    status = await change(ledger, operation, place=place, now_s=now_s)
    events = await ledger.read(ReadEvents(batch_id=message_id))
    changed = any(event.what == intervention.noted and event.at == now_s for event in events)
    if action is Action.RETRY and not changed:
        raise _not_allowed(intervention, row, hint="nothing of it is dead")
    return int(changed), row.status if status is None else status


def _not_allowed(intervention: Intervention, row: IngestionRow, *, hint: str) -> NotAllowedError:
    return NotAllowedError(
        name=row.spec.message_id, step=intervention.verb, state=row.status, hint=hint, noun="an ingestion"
    )
