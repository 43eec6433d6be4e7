"""How far a job is: as a whole, chunk by chunk, record by record that was rejected, and as it happens."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from millstream.core.ingestion import (
    IngestionRow,
    ReadChunks,
    ReadIngestionEvents,
    ReadRejects,
    Status,
)
from millstream.web.describing import problems
from millstream.web.documents import CHUNK_STATES, chunk_document, job_document, reject_document
from millstream.web.keys import Caller
from millstream.web.models import Chunks, Job, Rejects
from millstream.web.parameters import WITH_MESSAGE_ID, CursorParameter, LastEventId, Limit, message_id_of
from millstream.web.progress import ENDED, RECENT_CHUNKS, Pace, pace
from millstream.web.room import Room, caller_of, room_of
from millstream.web.streams import EVENT_SCHEMA, MEDIA_TYPE, place_of

router = APIRouter(tags=["tracking"])

MessageIdOf = Annotated[str, Depends(message_id_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
State = Literal["planned", "running", "done", "failed"]


async def documents_of(rows: list[IngestionRow] | tuple[IngestionRow, ...], *, room: Room) -> list[dict[str, object]]:
    """Jobs as JSON, each with its pace."""
    paces = await asyncio.gather(*(_pace(row, room=room) for row in rows))
    return [job_document(row, pace=each) for row, each in zip(rows, paces, strict=True)]


async def _pace(row: IngestionRow, *, room: Room) -> Pace:
    now_s = room.service.now()
    if row.status is not Status.RUNNING:
        return pace(row, recent=(), now_s=now_s)
    # Chunks are claimed in order, so those that ended last are near the end of those that are done.
    after = max(-1, row.chunks_done + row.chunks_failed - RECENT_CHUNKS)
    recent = await room.ledger.read(
        ReadChunks(message_id=row.spec.message_id, states=CHUNK_STATES["done"], after=after, limit=2 * RECENT_CHUNKS)
    )
    return pace(row, recent=recent, now_s=now_s)


@router.get(
    "/track", operation_id="track", response_model=Job, responses=problems(404, 422), openapi_extra=WITH_MESSAGE_ID
)
async def track(request: Request, message_id: MessageIdOf, caller: CallerOf) -> JSONResponse:
    """State, progress, rate and estimated end of a job."""
    room = room_of(request)
    row = await room.job(message_id, caller=caller)
    (document,) = await documents_of([row], room=room)
    # While it is under way: when it is worth asking again.
    return JSONResponse(document, headers={} if row.status in ENDED else {"Retry-After": "1"})


@router.get(
    "/track/chunks",
    operation_id="chunks",
    response_model=Chunks,
    responses=problems(404, 422),
    openapi_extra=WITH_MESSAGE_ID,
)
async def chunks(  # noqa: PLR0917 - the framework gives them by name
    request: Request,
    message_id: MessageIdOf,
    caller: CallerOf,
    state: Annotated[State | None, Query(description="Only those.")] = None,
    cursor: CursorParameter = None,
    limit: Limit = 100,
) -> JSONResponse:
    """The chunks of a job, in order."""
    room = room_of(request)
    await room.job(message_id, caller=caller)
    states = CHUNK_STATES[state] if state is not None else ()
    after = -1 if cursor is None else int(cursor)
    rows = await room.ledger.read(ReadChunks(message_id=message_id, states=states, after=after, limit=limit + 1))
    page = rows[:limit]
    following = str(page[-1].chunk.seq) if len(rows) > limit else None
    return JSONResponse({"chunks": [chunk_document(row) for row in page], "next_cursor": following})


@router.get(
    "/track/rejects",
    operation_id="rejects",
    response_model=Rejects,
    responses=problems(404, 422),
    openapi_extra=WITH_MESSAGE_ID,
)
async def rejects(
    request: Request,
    message_id: MessageIdOf,
    caller: CallerOf,
    cursor: CursorParameter = None,
    limit: Limit = 100,
) -> JSONResponse:
    """The dead letters of a job: its malformed records with byte range and reason."""
    room = room_of(request)
    await room.job(message_id, caller=caller)
    after = -1 if cursor is None else int(cursor)
    rows = await room.ledger.read(ReadRejects(message_id=message_id, after=after, limit=limit + 1))
    page = rows[:limit]
    following = str(page[-1].record) if len(rows) > limit else None
    return JSONResponse({"rejects": [reject_document(row) for row in page], "next_cursor": following})


@router.get(
    "/track/events",
    operation_id="job_events",
    response_class=Response,
    responses=problems(404, 422)
    | {
        200: {
            "description": "`event`, `id` and `data` of each; `data` is JSON with id, message_id, at, what, detail. "
            "Ends when the job has ended.",
            "content": {MEDIA_TYPE: {"schema": EVENT_SCHEMA}},
        },
        204: {"description": "The job has ended, and there is nothing behind Last-Event-ID: do not come back."},
    },
    openapi_extra=WITH_MESSAGE_ID,
)
async def job_events(
    request: Request, message_id: MessageIdOf, caller: CallerOf, last_event_id: LastEventId = None
) -> Response:
    """What happens to a job as it happens, and before that what has happened after Last-Event-ID."""
    room = room_of(request)
    place = place_of(last_event_id)
    row = await room.job(message_id, caller=caller)
    if place is not None and row.status in ENDED:
        behind = await room.ledger.read(ReadIngestionEvents(message_id=message_id, after=place, limit=1))
        if not behind:
            return Response(status_code=204)
    return room.streams.of_job(message_id, after=place or 0, caller=caller)
