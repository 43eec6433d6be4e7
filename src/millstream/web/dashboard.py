"""The page alone, for an engine that takes no files on: pipelines, workers, dead letters."""

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.routing import Route

from millstream.web.app import create_app
from millstream.web.service import Service
from millstream.web.settings import WebSettings

INDEX = Path(__file__).parent / "static" / "index.html"
SERVES_JOBS = 'data-serves="jobs"'
SERVES_AN_ENGINE = 'data-serves="engine"'


def create_dashboard(service: Service, *, settings: WebSettings) -> FastAPI:
    """The API of an engine to look at, with the page as it is without jobs; `service` has no containers."""
    app = create_app(service, settings=settings)
    page = INDEX.read_text(encoding="utf-8").replace(SERVES_JOBS, SERVES_AN_ENGINE)

    async def index(_request: Request) -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    app.router.routes.insert(0, Route("/", index, methods=["GET", "HEAD"]))
    return app
