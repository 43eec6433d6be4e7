"""Where an ingestion stands, and a draft of what one change makes of it.

Theory of operation: every change of an ingestion reads its row (and holds it), works out the new row and what else is
to be written, and ends with `settled`: the next plan step if it is time for one, the conclusion if there is one, and
the row. So there is one place which knows when an ingestion goes on and when it has ended.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec

from millstream.adapters.sql.ingesting.coding import spec_of
from millstream.adapters.sql.steps import Ask, Row, Steps, ask
from millstream.core.ingestion.conclusion import Tally, conclude, status_of
from millstream.core.model import Kind
from millstream.core.splitting import Chunk, Policy
from millstream.core.tasks import ENOUGH_CHUNKS, PIPELINE, FileSpec, Status, chunk_id, plan_id
from millstream.errors import InvalidValueError

KINDS = (Kind.CHUNK, Kind.PLAN)
"""The batches of ingestions."""

PLAN_COST_S = 1.0
"""Puts plan steps before chunks, so that a new ingestion does not wait until a large one was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The row of an ingestion; see IngestionRow.

    `planning` says whether a plan step is unfinished; from chunk `exact_from` on it was planned exactly.
    """

    message_id: str
    principal: str
    spec: FileSpec
    status: Status
    queued: bool
    paused: bool
    plan_offset: int
    plan_record: int
    plan_seq: int
    planning: bool
    planned_all: bool
    plan_failed: bool
    exact_from: int | None
    chunks_planned: int
    chunks_done: int
    chunks_failed: int
    chunks_unjoined: int
    bytes_done: int
    records_published: int
    records_rejected: int
    out_bytes: int
    waits_for: str
    error: str
    successor: str
    updated_at: float
    started_at: float | None
    ended_at: float | None

    @property
    def chunks_unfinished(self) -> int:
        """How many chunks are ready, running or waiting; not counted, as that takes longer the more are finished."""
        return self.chunks_planned - self.chunks_done - self.chunks_failed

    @property
    def is_ended(self) -> bool:
        """Whether nothing more happens unless its owner steps in."""
        return self.ended_at is not None


@dataclass(slots=True, kw_only=True)
class Draft:
    """A change in the making: the row as it will be, and the statements to go with it."""

    standing: Standing
    at: float
    asks: list[Ask] = field(default_factory=list)

    @property
    def message_id(self) -> str:
        """Whose change it is."""
        return self.standing.message_id

    def set(self, **changes: Any) -> None:
        """Change fields of the row."""
        self.standing = replace(self.standing, **changes)

    def add(self, name: str, /, **values: object) -> None:
        """Execute one more statement on this ingestion."""
        self.asks.append(Ask(name=name, values={"message_id": self.message_id, "at": self.at} | values))

    def note(self, what: str, detail: str = "") -> None:
        """Write an event down."""
        self.add("note", batch_id=self.message_id, what=what, detail=detail)

    def add_plan_step(self) -> None:
        """Make the next plan step ready."""
        batch_id = plan_id(self.message_id, seq=self.standing.plan_seq)
        self._plan_batch(batch_id, kind=Kind.PLAN, records=0, size_bytes=0, cost_s=PLAN_COST_S)
        self.set(planning=True)

    def add_chunk(self, chunk: Chunk) -> None:
        """Make a chunk ready."""
        batch_id = chunk_id(self.message_id, seq=chunk.seq)
        self._plan_batch(batch_id, kind=Kind.CHUNK, records=chunk.records, size_bytes=chunk.size_bytes, cost_s=0.0)
        self.add(
            "plan_chunk",
            seq=chunk.seq,
            batch_id=batch_id,
            first_byte=chunk.start,
            end_byte=chunk.end,
            first_record=chunk.first_record,
            records=chunk.records,
            too_long=chunk.too_long,
            unterminated=chunk.unterminated,
        )
        self.set(chunks_planned=self.standing.chunks_planned + 1)

    def _plan_batch(self, batch_id: str, **values: object) -> None:
        self.add("plan_batch", batch_id=batch_id, pipeline=PIPELINE, paused=self.standing.paused, **values)


def standing_of(row: Row) -> Standing:
    """The row of the table as a value."""
    values = {each.name: row[each.name] for each in fields(Standing)}
    return msgspec.convert(values | {"spec": spec_of(row["spec"])}, Standing, strict=False)


def open_draft(message_id: str, *, at: float) -> Steps[Draft | None]:
    """Find an ingestion and hold it; None if there is no such."""
    (found,) = yield [ask("find_ingestion", message_id=message_id)]
    return Draft(standing=standing_of(found[0]), at=at) if found else None


def settled(draft: Draft) -> Steps[Status]:
    """Carry a change out, with everything that follows from it; returns the status that it led to."""
    if _is_time_to_plan(draft):
        draft.add_plan_step()
    standing = draft.standing
    if not standing.is_ended and (status := conclude(tally_of(draft))) is not None:
        end(draft, status)
    standing = draft.standing
    status = status_of(
        ended=standing.status if standing.is_ended else None,
        is_paused=standing.paused,
        is_queued=standing.queued,
        is_started=standing.started_at is not None,
    )
    draft.set(status=status, updated_at=draft.at)
    values = {each.name: getattr(draft.standing, each.name) for each in fields(Standing) if each.name != "spec"}
    draft.asks.append(Ask(name="save_ingestion", values=values))
    answers = yield draft.asks
    for made, rows in zip(draft.asks, answers, strict=True):
        if made.name == "plan_batch" and not rows:
            found = made.values["batch_id"]
            raise InvalidValueError(name="batch", expected="an id that no other batch has", found=found)
    return status


def end(draft: Draft, status: Status) -> None:
    """Nothing more happens to it."""
    error = draft.standing.error or _why(draft.standing, status)
    draft.set(status=status, ended_at=draft.at, error=error, waits_for="")
    draft.note("ended", str(status))


def _why(standing: Standing, status: Status) -> str:
    if status not in (Status.PARTIAL, Status.FAILED):
        return ""
    return f"{standing.records_rejected:,} records are malformed, and the policy is {standing.spec.policy}"


def _is_time_to_plan(draft: Draft) -> bool:
    standing = draft.standing
    is_over = standing.is_ended or standing.planned_all or standing.plan_failed or not standing.queued
    return not is_over and not standing.planning and standing.chunks_unfinished < ENOUGH_CHUNKS


def tally_of(draft: Draft) -> Tally:
    """What `conclude` decides by."""
    standing = draft.standing
    return Tally(
        policy=Policy(standing.spec.policy),
        planned_all=standing.planned_all,
        plan_failed=standing.plan_failed,
        unfinished=standing.chunks_unfinished + standing.planning,
        done=standing.chunks_done,
        failed=standing.chunks_failed,
        unjoined=standing.chunks_unjoined,
        published=standing.records_published,
        rejected=standing.records_rejected,
    )
