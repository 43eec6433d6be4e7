"""A client of `millstream serve`, as small as commands need it.

Theory of operation: a request that does not reach the server, or that the server cannot take just now, is tried again
for a while: what is asked is either a question, or has an idempotency key. Everything else that is not a success is a
`ServerError` in the server's own words. Redirections are not followed: a key goes to the server that was named.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from millstream.errors import InvalidValueError, ServerError

KEY_VARIABLE = "MILLSTREAM_KEY"
TIMEOUT_S = 30.0
TRIES_S = (0.2, 0.5, 1.0, 2.0)
"""Pauses between tries."""
LONGEST_PAUSE_S = 10.0
LARGEST_ANSWER = 64_000_000
AGAIN = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Client:
    """One server; `pause` sleeps between tries."""

    def __init__(self, server: str, *, key: str | None, pause: Callable[[float], None] = time.sleep) -> None:
        self.server = read_server(server)
        self._key = key or os.environ.get(KEY_VARIABLE) or None
        if self._key is not None and not (self._key.isascii() and self._key.isprintable()):
            raise InvalidValueError(name="key", expected="a key as `millstream key` makes it", found="something else")
        self._pause = pause
        # Proxies of the environment are for the world outside; a server on this machine is none of it.
        self._opener = urllib.request.build_opener(_NoRedirection())

    def get(self, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The document at a path; raises ServerError."""
        return self._ask("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, *, body: Mapping[str, object], headers: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a document; raises ServerError."""
        return self._ask("POST", path, data=json.dumps(body).encode(), headers=headers)

    def _ask(
        self, method: str, path: str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        for pause_s in TRIES_S:
            try:
                return self._once(method, path, data=data, headers=headers or {})
            except ServerError as error:
                if error.status and error.status not in AGAIN:
                    raise
                self._pause(min(error.after_s or pause_s, LONGEST_PAUSE_S))
        return self._once(method, path, data=data, headers=headers or {})

    def _once(self, method: str, path: str, *, data: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        own = {"Accept": "application/json", "User-Agent": "millstream", **headers}
        if data is not None:
            own["Content-Type"] = "application/json"
        if self._key is not None:
            own["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.server + path, data=data, headers=own, method=method)  # noqa: S310 - http, https
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return self._document(answer.read(LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise ServerError(
                server=self.server, reason=f"cannot be reached: {text}; is it running (`millstream serve`)?"
            ) from None

    def _document(self, text: bytes) -> dict[str, Any]:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ServerError(
                server=self.server, reason="expected the answer of a Millstream server, found another", status=200
            )
        return document

    def _refused(self, error: urllib.error.HTTPError) -> ServerError:
        after = error.headers.get("Retry-After", "")
        try:
            problem = json.loads(error.read(LARGEST_ANSWER))
            reason = str(problem["detail"])
        except (ValueError, TypeError, KeyError, OSError, http.client.HTTPException):
            reason = f"answered {error.code}, which no Millstream server does in that way"
        if error.code == HTTPStatus.UNAUTHORIZED:
            reason += f"; name yours with --key, or in {KEY_VARIABLE}"
        return ServerError(
            server=self.server, reason=reason, status=error.code, after_s=float(after) if after.isdigit() else None
        )


def read_server(text: str) -> str:
    """The address of a server without a slash at its end; raises InvalidValueError."""
    expected = "the address of a server such as http://127.0.0.1:8080"
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise InvalidValueError(name="server", expected=expected, found=text) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits or parts.query or parts.fragment:
        raise InvalidValueError(name="server", expected=expected, found=text)
    if parts.username is not None or parts.password is not None:
        raise InvalidValueError(name="server", expected=f"{expected}, without user and password", found="some")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidValueError(name="server", expected=expected, found=text)
    return text.rstrip("/")
