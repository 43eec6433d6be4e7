"""The life of a batch, as a table.

Theory of operation: a batch is in exactly one `State`. Whatever happens to it is a `Step`; a step may be
taken only from the states listed for it and always leads to one state. The ledger formats its guarded
UPDATE statements from `TRANSITIONS`, the diagram in the docs is printed from it, and a test holds both to it,
so no other place knows which change is allowed.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a batch is in its life."""

    OPEN = "open"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    DISCARDED = "discarded"
    DEAD = "dead"


class Step(StrEnum):
    """What can happen to a batch."""

    CLOSE = "close"
    CLOSE_CANCELLED = "close_cancelled"
    CLAIM = "claim"
    DONE = "done"
    RETRY = "retry"
    DISCARD = "discard"
    BURY = "bury"
    RELEASE = "release"
    LOSE = "lose"
    RIPEN = "ripen"
    REDO = "redo"
    REVIVE = "revive"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row of the table: the states a step may be taken from, the state it leads to, and why it exists."""

    sources: tuple[State, ...]
    target: State
    meaning: str


TRANSITIONS: dict[Step, Transition] = {
    Step.CLOSE: Transition(
        sources=(State.OPEN,),
        target=State.READY,
        meaning="time, count, bytes, idle gap, keys, drain or end",
    ),
    Step.CLOSE_CANCELLED: Transition(
        sources=(State.OPEN,), target=State.DISCARDED, meaning="cancelled while it was open"
    ),
    Step.CLAIM: Transition(
        sources=(State.READY,), target=State.RUNNING, meaning="a worker takes it: attempt + 1, fence + 1"
    ),
    Step.DONE: Transition(sources=(State.RUNNING,), target=State.DONE, meaning="the handler succeeded"),
    Step.RETRY: Transition(
        sources=(State.RUNNING,), target=State.WAITING, meaning="the attempt failed, attempts are left"
    ),
    Step.DISCARD: Transition(sources=(State.RUNNING,), target=State.DISCARDED, meaning="the handler said so"),
    Step.BURY: Transition(sources=(State.RUNNING,), target=State.DEAD, meaning="attempts spent"),
    Step.RELEASE: Transition(
        sources=(State.RUNNING,), target=State.READY, meaning="given back by a drain, costs no retry"
    ),
    Step.LOSE: Transition(
        sources=(State.RUNNING,), target=State.READY, meaning="worker lost, its result would be refused"
    ),
    Step.RIPEN: Transition(sources=(State.WAITING,), target=State.READY, meaning="the time of the retry has come"),
    Step.REDO: Transition(
        sources=(State.DONE,), target=State.READY, meaning="what a chunk left for its file is lost or damaged"
    ),
    Step.REVIVE: Transition(sources=(State.DEAD,), target=State.READY, meaning="`millstream retry` by an operator"),
    Step.CANCEL: Transition(
        sources=(State.READY, State.RUNNING, State.WAITING, State.DEAD),
        target=State.DISCARDED,
        meaning="`millstream cancel` by an operator",
    ),
}

FINISHED: frozenset[State] = frozenset({State.DONE, State.DISCARDED, State.DEAD})
"""States in which nothing more happens unless an operator steps in."""


def allowed(step: Step, state: State) -> bool:
    """Whether `step` may be taken from `state`."""
    return state in TRANSITIONS[step].sources


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> open: first record", "    [*] --> ready: bucket planned"]
    lines.extend(
        f"    {source} --> {row.target}: {step} ({row.meaning})"
        for step, row in TRANSITIONS.items()
        for source in row.sources
    )
    lines.extend(f"    {state} --> [*]" for state in State if state in FINISHED and state is not State.DEAD)
    return "\n".join(lines)
