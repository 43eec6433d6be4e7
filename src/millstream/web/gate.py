"""Who may come in, and how often: keys and rates, before any route is looked at.

Theory of operation: without its key nobody learns whether a path exists. A caller with a key has a rate by its name;
everybody else has one by address, wrong keys included.
"""

from http import HTTPStatus
from math import ceil

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from millstream.web.problems import ProblemError, busy
from millstream.web.room import CALLER, Room

OPEN_PATHS = frozenset({"/", "/favicon.ico", "/openapi.json", "/health/live", "/health/ready"})
"""For everybody: they tell nothing of jobs."""
OPEN_FOLDER = "/static/"
UNCOUNTED = frozenset({"/health/live"})


class Gate:
    """ASGI middleware; see above."""

    def __init__(self, app: ASGIApp, *, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or raise its problem."""
        if scope["type"] == "http":
            scope[CALLER] = self._enter(scope)
        await self._app(scope, receive, send)

    def _enter(self, scope: Scope) -> object:
        path = scope["path"]
        caller = self._room.keyring.find(Headers(scope=scope))
        has_name = caller is not None and caller.principal
        if path not in UNCOUNTED:
            address = scope["client"][0] if scope.get("client") else "?"
            self._count(f"key {caller.principal}" if caller is not None and has_name else f"address {address}")
        if caller is None and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                kind="unauthorized",
                detail="expected a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`, found none that is known",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return caller

    def _count(self, who: str) -> None:
        wait_s = self._room.buckets.take(who, now_s=self._room.monotonic())
        if wait_s:
            rate = self._room.settings.requests_per_s
            raise busy(f"expected at most {rate:g} requests per second, found more", after_s=ceil(wait_s))
