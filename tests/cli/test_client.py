"""A client of a server, against sockets that answer what the test wants."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from millstream.cli.client import Client, read_server
from millstream.errors import InvalidValueError, ServerError

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b'{"message_id": "a"}')
BUSY: Answer = (429, {"Retry-After": "3"}, b'{"detail": "too much"}')


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that gives these answers in turn, the last one for ever; its address and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            asked.append({"path": self.path, "headers": dict(self.headers), "body": body})
            status, headers, content = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - its base calls it so

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_document_is_read_and_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the environment goes into the header of every request, one of the command line before it."""
    monkeypatch.setenv("MILLSTREAM_KEY", "of-the-environment")
    with answering(OK) as (url, asked):
        assert Client(url, key=None).get("/track", query={"message_id": "a b"}) == {"message_id": "a"}
        Client(url + "/", key="given").post("/x", body={"a": 1}, headers={"Idempotency-Key": "k"})

    assert asked[0]["path"] == "/track?message_id=a+b"
    assert asked[0]["headers"]["Authorization"] == "Bearer of-the-environment"
    assert asked[1]["path"] == "/x"
    assert asked[1]["headers"]["Authorization"] == "Bearer given"
    assert asked[1]["headers"]["Idempotency-Key"] == "k"
    assert json.loads(asked[1]["body"]) == {"a": 1}


def test_what_is_busy_is_asked_again() -> None:
    """After 429 and 503 it waits as long as it is told, and asks again."""
    pauses: list[float] = []
    with answering(BUSY, (503, {}, b"{}"), OK) as (url, asked):
        document = Client(url, key=None, pause=pauses.append).get("/track")

    assert document == {"message_id": "a"}
    assert len(asked) == 3
    assert pauses == [3.0, 0.5]


def test_it_does_not_ask_for_ever() -> None:
    """A server that stays busy is told in its own words."""
    with answering(BUSY) as (url, asked), pytest.raises(ServerError, match="too much"):
        Client(url, key=None, pause=lambda _: None).get("/track")

    assert len(asked) == 5


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b'{"detail": "expected a job"}'), "expected a job"),
        ((401, {}, b'{"detail": "expected a key"}'), "MILLSTREAM_KEY"),
        ((500, {}, b"<html>"), "answered 500"),
        ((200, {}, b"<html>"), "expected the answer of a Millstream server"),
        ((200, {}, b"[]"), "expected the answer of a Millstream server"),
        ((302, {"Location": "http://127.0.0.1:1/steal"}, b""), "answered 302"),
    ],
)
def test_refusals_are_one_line(answer: Answer, said: str) -> None:
    """Whatever a server answers, it is told in one line, and asked once; nobody is followed elsewhere."""
    with answering(answer) as (url, asked), pytest.raises(ServerError, match=said) as caught:
        Client(url, key="secret", pause=lambda _: None).get("/track")

    assert len(asked) == 1
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nobody_answers() -> None:
    """A server that is not there is told with what to do."""
    with pytest.raises(ServerError, match="millstream serve"):
        Client("http://127.0.0.1:1", key=None, pause=lambda _: None).get("/track")


NO_SERVERS = (
    "", "localhost:8080", "ftp://x", "file:///etc/passwd", "http://", "http://u:p@x", "http://x/?a", "http://x:0",
    "http://x:99999", "http://a b", "http://é",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_SERVERS)
def test_what_is_no_server(text: str) -> None:
    """An address that is none of a server is refused before anything is asked."""
    with pytest.raises(InvalidValueError) as caught:
        read_server(text)

    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("key", ["a\nb", "é", "a\r\nX: y"])
def test_a_key_is_one_word(key: str) -> None:
    """A key cannot bring headers of its own, and is not repeated."""
    with pytest.raises(InvalidValueError) as caught:
        Client("http://localhost", key=key)

    assert key not in str(caught.value)
