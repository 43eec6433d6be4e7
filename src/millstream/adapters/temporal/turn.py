"""What an activity of a worker does in its turn, and what became of it."""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from millstream.adapters.temporal.orders import GROUP, PLAN, Outcome, WorkOrder
from millstream.core.lifecycle import FINISHED, State
from millstream.ports.bell import Ring, Worked

_OURS = frozenset({*FINISHED, State.READY, State.WAITING})
"""States in which an attempt leaves its batch; another one, or none, says that somebody else has it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """What is left to be begun, and what there is to tell; `ends_at` is in seconds of the event loop."""

    order: WorkOrder
    ends_at: float
    queue: deque[str] = field(default_factory=deque)
    worked: list[str] = field(default_factory=list)
    waits: dict[str, float] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    in_hand: int = 0
    may_find: bool = True
    """Whether a question what is ready could find anything."""
    is_known: bool = False
    """Whether the workflow was told that there is more than this worker can begin at once."""
    is_over: bool = False
    has_looked: bool = False
    is_told: bool = False
    """Whether the outcome is on its way; what ends later has to be rung for."""

    def is_own(self, ring: Ring) -> bool:
        """Whether the workflow that gave the order has it worked."""
        return ring.message_id is not None and ring.message_id == self.order.message_id

    def ring_for(self, batch_id: str) -> Ring:
        """A ring for a batch; for none, a question what is ready."""
        return Ring(batch_id=batch_id, pipeline=self.order.pipeline, message_id=self.order.message_id)

    def add(self, batch_ids: Iterable[str]) -> None:
        """Have batches begun when there is room: plan steps first, because others wait for what they find."""
        for batch_id in batch_ids:
            if PLAN in batch_id:
                self.queue.appendleft(batch_id)
            else:
                self.queue.append(batch_id)

    def note(self, batch_id: str, worked: Worked, *, wait_s: float | None) -> tuple[Ring, ...]:
        """Note what became of a batch; returns what became ready by it for others."""
        self.worked.append(batch_id)
        self.in_hand -= 1
        self.has_looked = False
        own = [each.batch_id for each in worked.ready if self.is_own(each)]
        self.again += [each.batch_id for each in worked.ready if each.batch_id == batch_id]
        self.add(each for each in own if each != batch_id)
        self.is_over = worked.is_over
        if wait_s is not None:
            self.waits[batch_id] = wait_s
        if not self.in_hand and self.order.turn_s:
            self.may_find = True
        if worked.state not in _OURS:  # what was found is old: others had it
            self.queue = deque(each for each in self.queue if each in self.order.batch_ids)
            self.may_find = self.order.turn_s > 0
        return tuple(each for each in worked.ready if not self.is_own(each) and each.batch_id != batch_id)

    def found(self, looked: Worked, *, known: Collection[str]) -> None:
        """Note the answer to a question what is ready."""
        new = [each.batch_id for each in looked.ready if each.batch_id not in known]
        self.add(new)
        self.is_over = looked.is_over
        self.may_find = bool(new)
        self.has_looked = not looked.ready

    def outcome(self, *, worker: str, slots: int) -> Outcome:
        """What the workflow is to know."""
        return Outcome(
            waits=self.waits,
            ready=[*self.again, *self._left()],
            is_over=self.is_over,
            worker=worker,
            slots=slots,
            others=[each for each in self.worked if each not in self.order.batch_ids],
            has_looked=self.has_looked,
        )

    def _left(self) -> list[str]:
        """What was ordered and not begun, and some of what was found."""
        ordered = [each for each in self.queue if each in self.order.batch_ids]
        found = [each for each in self.queue if each not in self.order.batch_ids]
        return [*ordered, *(found[:GROUP] if self.order.turn_s else found)]


@dataclass(slots=True, kw_only=True, eq=False)
class Crew:
    """The activities of one ingestion that are here at the same time, and what they worked."""

    activities: int = 0
    worked: set[str] = field(default_factory=set)
