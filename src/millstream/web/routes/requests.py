"""Ask for a file to be read and published."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse

from millstream.core.ingestion import Answered
from millstream.web.accepting import accept
from millstream.web.asking import IngestRequest
from millstream.web.describing import link, problems
from millstream.web.documents import links_of
from millstream.web.keys import Caller
from millstream.web.models import Accepted, Containers
from millstream.web.naming import IDEMPOTENCY_KEY
from millstream.web.room import caller_of, room_of
from millstream.web.settings import EVERY_CONTAINER

router = APIRouter(tags=["requests"])

_ID = "$response.body#/message_id"
_LINKS = {
    "track": link("track", text="How far the job is.", message_id=_ID),
    "chunks": link("chunks", text="Its chunks.", message_id=_ID),
    "rejects": link("rejects", text="Its malformed records.", message_id=_ID),
    "cancel": link("cancel_job", text="Give it up.", message_id=_ID),
    "pause": link("pause_job", text="Hold it back.", message_id=_ID),
    "resume": link("resume_job", text="Let it go on.", message_id=_ID),
    "retry": link("retry_job", text="Work again what is dead.", message_id=_ID),
}
_ACCEPTED: dict[str, Any] = {
    "description": "Taken on, durably: `Location` tells how far it is.",
    "headers": {
        "Location": {"description": "Where to track the job.", "schema": {"type": "string"}, "required": True},
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "required": True},
        "Idempotent-Replayed": {
            "description": "`true` when an earlier request with this Idempotency-Key did it.",
            "schema": {"type": "string", "enum": ["true"]},
        },
    },
    "links": _LINKS,
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=IDEMPOTENCY_KEY,
        description="The same key with the same request is one job, however often it is sent.",
        examples=['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ),
]


@router.post(
    "/read-and-publish-data",
    operation_id="read_and_publish_data",
    status_code=202,
    response_model=Accepted,
    responses=problems(400, 403, 404, 408, 409, 413, 415, 422) | {202: _ACCEPTED},
)
async def read_and_publish_data(
    request: Request,
    wanted: IngestRequest,
    caller: Annotated[Caller, Depends(caller_of)],
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Read a file of a container and publish each of its records as JSON."""
    key = None if idempotency_key is None else idempotency_key.removeprefix('"').removesuffix('"')
    acceptance = await accept(wanted, idempotency_key=key, caller=caller, room=room_of(request))
    links = links_of(acceptance.message_id)
    # What the request came to, not what has become of the job since: the same answer each time it is sent.
    document = {"message_id": acceptance.message_id, "status": "accepted", "links": links}
    headers = {"Location": links["track"], "Retry-After": "1"}
    if acceptance.answered is Answered.SAME:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(document, status_code=202, headers=headers)


@router.get("/api/containers", operation_id="containers", response_model=Containers, responses=problems())
async def containers(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> JSONResponse:
    """The containers that this caller may name."""
    known = sorted(room_of(request).service.containers)
    seen = [name for name in known if EVERY_CONTAINER in caller.containers or name in caller.containers]
    return JSONResponse({"containers": seen})
