"""The engine behind it all: pipelines, workers, dead letters, and everything that happens."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from millstream.core.ingestion import ReadIngestion
from millstream.core.lifecycle import State
from millstream.core.model import Kind
from millstream.core.operations import Revive
from millstream.core.queries import PAUSED, ReadBatches, ReadMeta, ReadPipelines
from millstream.core.rows import BatchRow, PipelineRow, TotalRow
from millstream.web.describing import problems
from millstream.web.documents import batch_document, iso
from millstream.web.keys import Caller
from millstream.web.models import Batches, Pipelines, Retried
from millstream.web.naming import BATCH_ID
from millstream.web.parameters import CursorParameter, LastEventId, Limit
from millstream.web.problems import ProblemError, not_found
from millstream.web.room import Room, caller_of, room_of
from millstream.web.streams import EVENT_SCHEMA, MEDIA_TYPE, place_of

router = APIRouter(tags=["engine"], prefix="/api")

RUNNING_SHOWN = 100
FIRST_READ = 1000
CallerOf = Annotated[Caller, Depends(caller_of)]


@router.get("/pipelines", operation_id="pipelines", response_model=Pipelines, responses=problems(403))
async def pipelines(request: Request, caller: CallerOf) -> JSONResponse:
    """The pipelines and workers of the engine; for operators."""
    room = room_of(request)
    require_operator(caller)
    known = await room.ledger.read(ReadPipelines())
    totals = await room.metrics.totals.get()
    running = await room.ledger.read(ReadBatches(states=(State.RUNNING,), limit=RUNNING_SHOWN))
    pool = room.service.pool()
    now_s = room.service.now()
    document = {
        "pipelines": [await _pipeline(row, totals=totals, room=room) for row in known],
        "pool": None if pool is None else {"workers": pool.workers, "busy": pool.busy, "processes": pool.processes},
        "paused": await room.ledger.read(ReadMeta(key=PAUSED)) == "1",
        "running": [batch_document(row) for row in running],
        "now": iso(now_s) or datetime.fromtimestamp(now_s, tz=UTC).isoformat(),
    }
    return JSONResponse(document)


async def _pipeline(row: PipelineRow, *, totals: tuple[TotalRow, ...], room: Room) -> dict[str, object]:
    states = {state.value: 0 for state in State}
    states |= {total.state.value: total.batches for total in totals if total.pipeline == row.name}
    oldest = await room.ledger.read(ReadBatches(states=(State.READY,), pipeline=row.name, limit=1))
    since = oldest[0].closed_at if oldest else None
    return {
        "name": row.name,
        "kind": row.kind,
        "states": states,
        "records_accepted": row.accepted_records,
        "bytes_accepted": row.accepted_bytes,
        "oldest_waiting_s": None if since is None else round(max(0.0, room.service.now() - since), 3),
    }


def require_operator(caller: Caller) -> None:
    """Raise the problem that this key is not an operator's."""
    if not caller.operator:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            kind="operators-only",
            detail="expected the key of an operator (operator = true in its [[key]] table), found another",
        )


@router.get("/batches/dead", operation_id="dead_batches", response_model=Batches, responses=problems(422))
async def dead(request: Request, caller: CallerOf, cursor: CursorParameter = None, limit: Limit = 100) -> JSONResponse:
    """Batches whose attempts are spent, oldest first: those of the caller's jobs, for operators all."""
    room = room_of(request)
    rows, following = await _dead_behind(0 if cursor is None else int(cursor), limit=limit, caller=caller, room=room)
    return JSONResponse({"batches": [batch_document(row) for row in rows], "next_cursor": following})


async def _dead_behind(seq: int, *, limit: int, caller: Caller, room: Room) -> tuple[list[BatchRow], str | None]:
    """A page behind a place; the ledger gives the oldest only, so more are read until there is a page behind it."""
    asked, found = FIRST_READ, list[BatchRow]()
    owners: dict[str | None, bool] = {}
    while True:
        rows = await room.ledger.read(ReadBatches(states=(State.DEAD,), limit=asked))
        found = [row for row in rows if row.seq > seq and await _sees(row, caller=caller, room=room, owners=owners)]
        if len(found) > limit or len(rows) < asked:
            page = found[:limit]
            return page, str(page[-1].seq) if len(found) > limit else None
        asked *= 4


async def _sees(row: BatchRow, *, caller: Caller, room: Room, owners: dict[str | None, bool]) -> bool:
    if caller.operator:
        return True
    if row.kind not in (Kind.CHUNK, Kind.PLAN):
        return False
    if row.key not in owners:
        job = await room.ledger.read(ReadIngestion(message_id=row.key or ""))
        owners[row.key] = job is not None and caller.sees(job.principal)
    return owners[row.key]


@router.post(
    "/batches/{batch_id}/retry",
    operation_id="retry_batch",
    response_model=Retried,
    responses=problems(403, 404, 409, 422),
)
async def retry(request: Request, batch_id: Annotated[str, Path(pattern=BATCH_ID)], caller: CallerOf) -> JSONResponse:
    """Make a dead batch ready again, with fresh retries."""
    room = room_of(request)
    rows = await room.ledger.read(ReadBatches(batch_id=batch_id))
    if not rows or not await _sees(rows[0], caller=caller, room=room, owners={}):
        raise not_found("a batch")
    retried = await room.ledger.do(Revive(batch_id=batch_id, at=room.service.now()))
    if not retried:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            kind="not-possible",
            detail=f"expected a dead batch to retry, found one that is {rows[0].state}",
        )
    room.service.ring()
    return JSONResponse({"batch_id": batch_id, "retried": retried})


@router.get(
    "/events",
    operation_id="events",
    response_class=Response,
    responses=problems(422)
    | {
        200: {
            "description": "As of one job; without Last-Event-ID it begins with what happens from now on.",
            "content": {MEDIA_TYPE: {"schema": EVENT_SCHEMA}},
        }
    },
)
async def events(request: Request, caller: CallerOf, last_event_id: LastEventId = None) -> Response:
    """What happens to all jobs that the caller sees, as it happens."""
    room = room_of(request)
    place = place_of(last_event_id)
    return room.streams.of_all(after=await room.streams.newest() if place is None else place, caller=caller)
