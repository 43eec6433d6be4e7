"""The outermost layer of the API: whatever a request is, it is bounded, answered as JSON, and harms no browser.

Theory of operation: checks that need nothing but the head of a request come first, from the cheapest on. The name that
the server was called by must be one of its own, so that a page of another site whose name was pointed at this
machine gets nowhere; a request that changes something must not come from another site's page. At most so many requests
are worked at once. A body is read here, as far as its limit. What goes wrong behind becomes a problem, never a
traceback.
"""

import asyncio
import logging
import re
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millstream.errors import MillstreamError
from millstream.web.problems import ProblemError, busy, unavailable
from millstream.web.room import Room
from millstream.web.streams import STREAM_PATHS

READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
BODY_S = 10.0
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::\d*)?", flags=re.ASCII)

log = logging.getLogger("millstream")


class Guard:
    """ASGI middleware; see above."""

    def __init__(self, app: ASGIApp, *, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, metrics_path=scope["path"])
        try:
            await self._bounded(scope, receive, answer)
        except ProblemError as problem:
            await answer.end_with(problem, scope=scope)
        except TimeoutError:
            await answer.end_with(_too_slow(), scope=scope)
        except MillstreamError as error:
            await answer.end_with(unavailable(str(error)), scope=scope)
        except Exception:
            # The border of a request: whatever it was, the caller gets a problem, and the other requests go on.
            log.exception("%s %s failed", scope["method"], scope["path"])
            await answer.end_with(_failed(), scope=scope)
        self._room.metrics.count_request(scope["method"], status=answer.status)

    async def _bounded(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = Headers(scope=scope)
        _check_host(headers, known=self._room.settings.hosts)
        _check_origin(scope, headers)
        if scope["path"] in STREAM_PATHS:
            await self._app(scope, receive, answer.send)  # has limits of its own, and may take for ever
            return
        if self._room.in_flight >= self._room.settings.in_flight:
            raise busy(f"expected at most {self._room.settings.in_flight} requests at once, found more", kind="busy")
        self._room.in_flight += 1
        try:
            async with asyncio.timeout(self._room.settings.request_s):
                body = await _read_body(receive, headers, limit_bytes=self._room.settings.body_bytes)
                await self._app(scope, _replay(body, receive), answer.send)
        finally:
            self._room.in_flight -= 1


class _Answer:
    """Passes an answer on with security headers; knows whether it has begun."""

    def __init__(self, send: Send, *, metrics_path: str) -> None:
        self._send = send
        self._is_api = not (metrics_path == "/" or metrics_path.startswith("/static"))
        self.status: int = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY.items():
                headers.setdefault(name, value)
            if self._is_api:
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def end_with(self, problem: ProblemError, *, scope: Scope) -> None:
        """Answer with a problem, unless an answer has begun: then it just ends, too short."""
        if self.status:
            return
        await problem.response()(scope, _nothing, self.send)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _check_host(headers: Headers, *, known: Iterable[str] | None) -> None:
    """The name that the server is called by; its port does not matter."""
    if known is None:
        return
    host = headers.get("host", "").lower()
    parts = _HOST.fullmatch(host)
    if parts is None or parts["name"] not in known:
        raise ProblemError(
            HTTPStatus.MISDIRECTED_REQUEST,
            kind="wrong-host",
            detail=f"Host: expected one of {', '.join(known)}, found {host[:100]!r}; "
            "call the server by one of these, or name more with hosts in its configuration",
        )


def _check_origin(scope: Scope, headers: Headers) -> None:
    """A page of another site may not change anything, even where its browser is inside of the network."""
    if scope["method"] in READING:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    same = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
    if not same or site in ("cross-site", "same-site"):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            kind="cross-site",
            detail="expected a request of this server's own page or of a program, found one of another site's page",
        )


async def _read_body(receive: Receive, headers: Headers, *, limit_bytes: int) -> bytes:
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return bytes(body)
                body += message.get("body", b"")
                if len(body) > limit_bytes:
                    raise _too_large(limit_bytes)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise ProblemError(
            HTTPStatus.REQUEST_TIMEOUT,
            kind="slow-body",
            detail=f"expected the body within {BODY_S:g} s, found its end missing",
            headers={"Connection": "close"},
        ) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read, and then whatever comes behind it."""
    is_told = False

    async def replayed() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _too_large(limit_bytes: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        kind="too-large",
        detail=f"expected a body of at most {limit_bytes:,} bytes, found more; send the name of a file, not its bytes",
        headers={"Connection": "close"},
    )


def _too_slow() -> ProblemError:
    return unavailable(
        "expected an answer of what is behind this server in time, found none; whether anything happened is unknown: "
        "ask again with the same Idempotency-Key"
    )


def _failed() -> ProblemError:
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        kind="internal",
        detail="the server failed at this request, and has written down how; others are not concerned",
    )
