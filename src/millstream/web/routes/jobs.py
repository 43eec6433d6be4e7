"""The list of jobs, and what can be done to one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from millstream.core.ingestion import Act, Action, IngestionRow, ReadIngestions, Status
from millstream.web.describing import problems
from millstream.web.keys import Caller
from millstream.web.models import Job, Jobs
from millstream.web.parameters import CursorParameter, JobInPath, Limit
from millstream.web.problems import ProblemError, invalid
from millstream.web.progress import ENDED
from millstream.web.room import caller_of, room_of
from millstream.web.routes.tracking import documents_of

router = APIRouter(tags=["jobs"])

CallerOf = Annotated[Caller, Depends(caller_of)]
StatusList = Annotated[
    str | None,
    Query(
        alias="status",
        pattern=f"^({'|'.join(Status)})(,({'|'.join(Status)}))*$",
        max_length=200,
        description="Only these, with commas between them.",
        examples=["queued,running"],
    ),
]


@router.get("/jobs", operation_id="jobs", response_model=Jobs, responses=problems(422))
async def list_jobs(
    request: Request,
    caller: CallerOf,
    statuses: StatusList = None,
    cursor: CursorParameter = None,
    limit: Limit = 50,
) -> JSONResponse:
    """The jobs of this caller, newest first."""
    room = room_of(request)
    rows = await room.ledger.read(
        ReadIngestions(
            principal=caller.sees_only,
            statuses=_statuses(statuses),
            before=None if cursor is None else int(cursor),
            limit=limit + 1,
        )
    )
    page = rows[:limit]
    following = str(page[-1].seq) if len(rows) > limit else None
    return JSONResponse({"jobs": await documents_of(page, room=room), "next_cursor": following})


def _statuses(text: str | None) -> tuple[Status, ...]:
    words = text.split(",") if text is not None else []
    if any(word not in set(Status) for word in words):  # a line end behind the last
        raise invalid("status", detail=f"expected some of {','.join(Status)}")
    return tuple(dict.fromkeys(Status(word) for word in words))


async def _act(action: Action, *, message_id: str, request: Request, caller: Caller) -> JSONResponse:
    room = room_of(request)
    row = await room.job(message_id, caller=caller)
    refusal = _refusal(action, row)
    if refusal is not None:
        raise ProblemError(HTTPStatus.CONFLICT, kind="not-possible", detail=refusal)
    await room.ledger.do(Act(message_id=message_id, action=action, at=room.service.now()))
    room.service.ring()
    (document,) = await documents_of([await room.job(message_id, caller=caller)], room=room)
    return JSONResponse(document)


def _refusal(action: Action, row: IngestionRow) -> str | None:
    """Why that cannot be done to a job now; what was done already may be done again."""
    if action is Action.RETRY:
        if row.status in (Status.SUCCEEDED, Status.CANCELLED):
            return f"expected a job with something dead to retry, found one that is {row.status}"
        return None
    if row.status not in ENDED or (action is Action.CANCEL and row.status is Status.CANCELLED):
        return None
    return f"expected a job that has not ended to {action}, found one that is {row.status}"


_RESPONSES = problems(403, 404, 409, 422)


@router.post("/jobs/{message_id}/cancel", operation_id="cancel_job", response_model=Job, responses=_RESPONSES)
async def cancel(request: Request, message_id: JobInPath, caller: CallerOf) -> JSONResponse:
    """Give a job up; what was published stays."""
    return await _act(Action.CANCEL, message_id=message_id, request=request, caller=caller)


@router.post("/jobs/{message_id}/pause", operation_id="pause_job", response_model=Job, responses=_RESPONSES)
async def pause(request: Request, message_id: JobInPath, caller: CallerOf) -> JSONResponse:
    """Begin no further chunk of a job; running ones end."""
    return await _act(Action.PAUSE, message_id=message_id, request=request, caller=caller)


@router.post("/jobs/{message_id}/resume", operation_id="resume_job", response_model=Job, responses=_RESPONSES)
async def resume(request: Request, message_id: JobInPath, caller: CallerOf) -> JSONResponse:
    """Let a paused job go on."""
    return await _act(Action.RESUME, message_id=message_id, request=request, caller=caller)


@router.post("/jobs/{message_id}/retry", operation_id="retry_job", response_model=Job, responses=_RESPONSES)
async def retry(request: Request, message_id: JobInPath, caller: CallerOf) -> JSONResponse:
    """Work again what is dead of a job."""
    return await _act(Action.RETRY, message_id=message_id, request=request, caller=caller)
