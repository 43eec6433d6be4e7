"""What becomes of an ingestion whose file, or plan, is not what it was taken for.

Theory of operation: a plan that turned out wrong is given up from a border on and made again, exactly; the numbers of
chunks and records begin again there, so that must not be when a chunk behind the border was published. What goes into
a folder counts only when it is done, but a broker may have got what an attempt that never ended has sent, so there no
chunk behind the border may even have begun.
"""

import re
from dataclasses import replace

from millstream.adapters.sql.ingesting.accepting import introduce
from millstream.adapters.sql.ingesting.standing import Draft
from millstream.adapters.sql.steps import Row, Steps, ask
from millstream.core.splitting import Position
from millstream.core.tasks import MOST_VERSIONS, OnChange, Spoiled

LONGEST_ID = 64


def spoil(draft: Draft, report: Spoiled, *, chunk: Row | None, batch_id: str) -> Steps[None]:
    """Add to a draft what follows from a report; the batch of the attempt was discarded already."""
    if chunk is not None:
        draft.set(chunks_failed=draft.standing.chunks_failed + 1)
    if draft.standing.is_ended:  # an operator let a batch of it go on
        return
    if report.replan_from is not None:
        yield from _replan(draft, report, at=report.replan_from, batch_id=batch_id)
    elif report.changed and draft.standing.spec.on_change is OnChange.RESTART:
        yield from _restart(draft, report)
    else:
        yield from _fail(draft, report.reason)


def _fail(draft: Draft, reason: str) -> Steps[None]:
    """Nothing more is planned or begun; what is done stays done."""
    yield [
        ask("cancel_ingestion", message_id=draft.message_id, at=draft.at, reason="the ingestion failed"),
    ]
    draft.set(plan_failed=True)
    yield from recount(draft)
    draft.set(error=reason)


def _restart(draft: Draft, report: Spoiled) -> Steps[None]:
    spec = draft.standing.spec
    if version_of(spec.message_id) >= MOST_VERSIONS:
        hint = "ingest it when nobody writes to it"
        yield from _fail(draft, f"{report.reason}; it changed while each of {MOST_VERSIONS} versions was read: {hint}")
        return
    successor = next_id(spec.message_id)
    made = len(successor) <= LONGEST_ID and (
        yield from introduce(
            replace(spec, message_id=successor),
            principal=draft.standing.principal,
            at=draft.at,
            is_queued=True,
        )
    )
    if not made:
        yield from _fail(draft, f"{report.reason}; it cannot be started again, as {successor} is no id that is free")
        return
    yield from _fail(draft, f"{report.reason}; started again as {successor}")
    draft.set(successor=successor)


def next_id(message_id: str) -> str:
    """The message id of what takes the place of an ingestion: `ID-v2`, then `ID-v3`."""
    first = message_id.removesuffix(f"-v{version_of(message_id)}")
    return f"{first}-v{version_of(message_id) + 1}"


def version_of(message_id: str) -> int:
    """How many versions of its file were begun, this one included."""
    found = re.fullmatch(r".+-v([2-9]|[1-9][0-9]+)", message_id)
    return int(found[1]) if found else 1


def _replan(draft: Draft, report: Spoiled, *, at: Position, batch_id: str) -> Steps[None]:
    exact_from = draft.standing.exact_from
    if exact_from is not None and at.seq >= exact_from:
        yield from _fail(draft, f"{report.reason}; the exact plan does not hold either")
        return
    begun = not draft.standing.spec.is_joined
    (later,) = yield [
        ask("find_later", message_id=draft.message_id, seq=at.seq, batch_id=batch_id, begun=begun),
    ]
    if later:
        seq = later[0]["seq"]
        may = "may have been" if begun else "was"
        yield from _fail(draft, f"{report.reason}; it cannot be planned again, as chunk {seq} {may} published already")
        return
    yield [
        ask("drop_plan", message_id=draft.message_id, seq=at.seq, at=draft.at),
        ask("drop_chunks", message_id=draft.message_id, seq=at.seq),
    ]
    draft.set(
        plan_offset=at.offset,
        plan_record=at.record,
        plan_seq=at.seq,
        planned_all=False,
        plan_failed=False,
        exact_from=at.seq,
        error="",
    )
    yield from recount(draft)
    draft.note("planned", f"again and exactly from chunk {at.seq} on: {report.reason}")


def recount(draft: Draft) -> Steps[None]:
    """Count batches anew, after a change of many of them."""
    counted, unfinished = yield [
        ask("recount", message_id=draft.message_id),
        ask("count_plans", message_id=draft.message_id),
    ]
    draft.set(**counted[0], planning=unfinished[0]["plans"] > 0)
