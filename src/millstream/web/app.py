"""The API and its page as an ASGI app, over a `Service`."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from millstream.web import routes
from millstream.web.describing import describe
from millstream.web.gate import Gate
from millstream.web.guard import Guard
from millstream.web.problems import ProblemError, Wrong
from millstream.web.room import Room
from millstream.web.routes.pages import serve_files
from millstream.web.service import Service
from millstream.web.settings import WebSettings

JSON = "application/json"


def create_app(service: Service, *, settings: WebSettings, monotonic: Callable[[], float] = time.monotonic) -> FastAPI:
    """The app; `app.state.room` is its Room, whose `close` ends its streams.

    Without containers the service is an engine to look at: there are no jobs, and nothing can be asked for.
    """
    app = FastAPI(
        title="Millstream",
        version=version("millstream"),
        docs_url=None,  # pages that load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.room = room = Room(service, settings=settings, monotonic=monotonic)
    for router in _routers(takes_files=bool(service.containers)):
        app.include_router(router)
    serve_files(app, static=settings.static)
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(Gate, room=room)
    app.add_middleware(Guard, room=room)  # added last, so it is the outermost
    app.openapi = _describer(app, has_keys=bool(settings.keys))  # type: ignore[method-assign] # how FastAPI wants it
    return app


def _routers(*, takes_files: bool) -> list[APIRouter]:
    always = [routes.engine_routes, routes.health_routes, routes.page_routes]
    return [routes.request_routes, routes.tracking_routes, routes.job_routes, *always] if takes_files else always


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.room.close()


def _describer(app: FastAPI, *, has_keys: bool) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, has_keys=has_keys)
        return app.openapi_schema

    return openapi


async def _answer_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - it is registered for nothing else
    return error.response()


async def _answer_http(_request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    status = HTTPStatus(error.status_code)
    kind, detail = {
        HTTPStatus.NOT_FOUND: ("not-found", "expected a path of the API, found another; see /openapi.json"),
        HTTPStatus.METHOD_NOT_ALLOWED: (
            "method-not-allowed",
            "expected a method of this path (see Allow), found another",
        ),
        HTTPStatus.BAD_REQUEST: ("unreadable", "expected a body that is JSON in UTF-8, found something else"),
    }.get(status, ("refused", str(error.detail)))
    return ProblemError(status, kind=kind, detail=detail, headers=error.headers).response()


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """A request that is not what the OpenAPI document says."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for nothing else
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return ProblemError(
            HTTPStatus.BAD_REQUEST, kind="unreadable", detail="body: expected JSON, found something else"
        ).response()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and media_type != JSON and any(each["loc"][:1] == ("body",) for each in found):
        return _not_json(media_type)
    wrong = [_wrong(each) for each in found]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in wrong)
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, kind="invalid-request", detail=detail, wrong=wrong).response()


def _not_json(found: str) -> JSONResponse:
    return ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        kind="not-json",
        detail=f"Content-Type: expected {JSON}, found {found[:100]!r}",
        wrong=[Wrong(field="Content-Type", detail=f"expected {JSON}")],
    ).response()


def _wrong(error: dict[str, Any]) -> Wrong:
    """One problem of validation: which field, and what is wrong, without what was sent."""
    place = [str(part) for part in error["loc"]]
    field = ".".join(place[1:]) or place[0]
    if error["type"] == "extra_forbidden":
        return Wrong(field=field, detail="expected no such key; see /openapi.json for those that there are")
    text = str(error["msg"]).removeprefix("Value error, ")
    return Wrong(field=field, detail=text if text.startswith("expected") else text[:1].lower() + text[1:])
