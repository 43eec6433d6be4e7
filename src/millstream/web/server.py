"""The app on a socket: bounded connections, bounded time for each, and an end that waits for what is being answered.

Theory of operation: a connection beyond the limit gets its refusal as the answer to whatever it sends, so that its
client can read it. A connection must say its request within a few seconds, the first one and every later one, so
nobody can hold connections by saying nothing. At the end no new connection is taken, event streams are told to end,
and what is being answered gets some seconds.
"""

import asyncio
import contextlib
import errno
import json
import logging
import resource
import socket
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from millstream.errors import ListenError
from millstream.web.problems import MEDIA_TYPE, TYPE

if TYPE_CHECKING:
    from millstream.web.room import Room

REQUEST_S = 10.0
KEEP_ALIVE_S = 5
GRACE_S = 10
BACKLOG = 2048
HEAD_BYTES = 32_768
FILES_BESIDE = 512
"""File descriptors that are left for the ledger, workers, stores and sinks."""


log = logging.getLogger("millstream.web")
log.setLevel(logging.ERROR)  # what strangers send is no warning


class WebServer:
    """Serves one app on a socket that listens; used in one event loop, once."""

    def __init__(self, app: FastAPI, *, listening: socket.socket, connections: int) -> None:
        self._room: Room = app.state.room
        self._listening = listening
        _make_room(connections + FILES_BESIDE)
        config = uvicorn.Config(
            app,
            http=_protocol(connections),
            ws="none",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=None,  # the protocol below answers in words of this API
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
        self._server = _Server(config)

    @property
    def url(self) -> str:
        """Where it is; a client can connect from now on."""
        host, port = self._listening.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def run(self) -> None:
        """Serve until `stop`, and what is being answered then for some seconds more."""
        await self._server.serve(sockets=[self._listening])

    def stop(self) -> None:
        """Take no more requests and end the streams; idempotent."""
        self._room.close()
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves signals to the command, which stops other things as well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind(host: str, *, port: int) -> socket.socket:
    """A socket that listens; raises ListenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(address=f"{host}:{port}", reason=reason) from None
    # Connections inherit it. Without it the body of an answer waits until the client has acknowledged the head: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _make_room(files: int) -> None:
    """Allow so many open files, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _raw(status: HTTPStatus, *, kind: str, detail: str, headers: str = "") -> bytes:
    """A whole answer as bytes, for where there is no request to answer."""
    document = {"type": TYPE + kind, "title": status.phrase, "status": int(status), "detail": detail}
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n{headers}\r\n"
    )
    return head.encode() + body


_FULL = _raw(
    HTTPStatus.TOO_MANY_REQUESTS,
    kind="busy",
    detail="expected fewer connections at once, found more than there is room for",
    headers="Retry-After: 1\r\n",
)
_NO_HTTP = _raw(
    HTTPStatus.BAD_REQUEST, kind="unreadable", detail="expected a request of HTTP/1.1, found something else"
)


class _Bounded(H11Protocol):
    """One connection; a subclass says how many there may be."""

    most = 0
    _is_refused = False
    _slow: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its base has it
        super().connection_made(transport)
        self._is_refused = len(self.connections) > self.most
        self._be_quick()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._end_with(_FULL)
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._take_time()
        else:
            self._be_quick()

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_time()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        del msg
        self._end_with(_NO_HTTP)

    def _end_with(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _be_quick(self) -> None:
        """A whole request has to be there soon."""
        if self._slow is None:
            self._slow = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _take_time(self) -> None:
        """It is there, or nobody waits for it any more."""
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


def _protocol(connections: int) -> type[H11Protocol]:
    """The protocol of servers with so many connections."""
    return type("Bounded", (_Bounded,), {"most": connections})
