"""The page at `/`: files that come with the package, and nothing from outside."""

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from millstream.web.problems import not_found
from millstream.web.room import room_of

STATIC = Path(__file__).parent.parent / "static"
INDEX = "index.html"

router = APIRouter(include_in_schema=False)


def folder_of(static: Path | None) -> Path:
    """Where the files of the page are."""
    return STATIC if static is None else static


def serve_files(app: FastAPI, *, static: Path | None) -> None:
    """Serve the files of the page below /static."""
    app.mount("/static", StaticFiles(directory=folder_of(static), check_dir=False), name="static")


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> FileResponse:
    """The page."""
    return _file(request, INDEX)


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
async def icon(request: Request) -> FileResponse:
    """What browsers ask for by themselves."""
    return _file(request, "favicon.svg")


def _file(request: Request, name: str) -> FileResponse:
    path = folder_of(room_of(request).settings.static) / name
    if not path.is_file():
        raise not_found("a page")
    return FileResponse(path, headers={"Cache-Control": "no-cache"})
