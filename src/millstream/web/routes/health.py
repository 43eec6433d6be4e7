"""Whether the server lives and is ready, and what it measures."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from millstream.web.describing import problems
from millstream.web.keys import Caller
from millstream.web.models import Live, Ready
from millstream.web.room import caller_of, room_of
from millstream.web.routes.engine import require_operator

router = APIRouter(tags=["health"])

CallerOf = Annotated[Caller | None, Depends(caller_of)]


@router.get("/health/live", operation_id="live", response_model=Live, responses=problems())
async def live() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "live"})


@router.get(
    "/health/ready",
    operation_id="ready",
    response_model=Ready,
    responses=problems()
    | {503: {"description": "Something that is required does not work; requests are not taken on.", "model": Ready}},
)
async def ready(request: Request, caller: CallerOf) -> JSONResponse:
    """Ledger, stores, sink and dispatcher: `degraded` takes requests on, whose jobs wait for what is down."""
    parts = await room_of(request).readiness.parts()
    down = [part for part in parts if part.problem]
    status = "ready" if not down else "unavailable" if any(part.required for part in down) else "degraded"
    document = {
        "status": status,
        "parts": [
            {
                "name": part.name,
                "ok": not part.problem,
                "required": part.required,
                "problem": (part.problem or None) if caller is not None else None,
            }
            for part in parts
        ],
    }
    return JSONResponse(document, status_code=503 if status == "unavailable" else 200)


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses=problems(403)
    | {200: {"description": "In Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, caller: CallerOf) -> Response:
    """Jobs, batches, records, bytes, seconds and requests; for operators."""
    if caller is not None:
        require_operator(caller)
    return Response(await room_of(request).metrics.page(), media_type=CONTENT_TYPE_LATEST)
