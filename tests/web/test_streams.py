"""Events as they happen. In-process clients wait for whole answers, so what goes on is read from the app itself."""

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from web.serving import API_KEYS, KEYS, WANTED, FolderService, app_of, client_of
from web.test_tracking import start

Run = Callable[[Any], Any]
QUICK = {"look_every_s": 0.01}


class Listening:
    """One open stream: its status, its headers, and its events as they come."""

    def __init__(self) -> None:
        self.status = asyncio.get_running_loop().create_future()
        self.headers: dict[bytes, bytes] = {}
        self.text = asyncio.Queue[str]()
        self.ended = asyncio.Event()
        self._rest = ""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
            self.status.set_result(message["status"])
        else:
            await self.text.put(message["body"].decode())

    async def frame(self) -> str:
        """The next event or comment."""
        while "\n\n" not in self._rest:
            self._rest += await asyncio.wait_for(self.text.get(), 10)
        frame, _, self._rest = self._rest.partition("\n\n")
        return frame

    async def event(self) -> dict[str, Any]:
        """The data of the next event."""
        while True:
            lines = dict(line.split(": ", 1) for line in (await self.frame()).splitlines())
            if "data" in lines:
                data = json.loads(lines["data"])
                assert (lines["event"], lines["id"]) == (data["what"], str(data["id"]))
                return dict(data)


@asynccontextmanager
async def listening(app: FastAPI, path: str, *, last: str | None = None, key: str | None = None) -> Any:
    """Ask for a stream, and go away at the end."""
    path, _, query = path.partition("?")
    headers = [(b"host", b"localhost")]
    headers += [(b"last-event-id", last.encode())] if last is not None else []
    headers += [(b"authorization", f"Bearer {KEYS[key]}".encode())] if key is not None else []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    gone = asyncio.Event()
    asked = False

    async def receive() -> Any:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    stream = Listening()
    serving = asyncio.ensure_future(app(scope, receive, stream.send))
    serving.add_done_callback(lambda _: stream.ended.set())
    try:
        yield stream
    finally:
        gone.set()
        await asyncio.wait_for(serving, 10)


def test_a_job_is_heard_to_its_end(service: FolderService, run: Run) -> None:
    """A stream begins with what has happened, goes on with what happens, and ends when the job has ended."""

    async def test() -> None:
        app = app_of(service, **QUICK)
        async with client_of(app) as client:
            message_id = await start(client)
        async with listening(app, f"/track/events?message_id={message_id}") as stream:
            first = await stream.event()
            await service.plan(chunks=1)
            await service.work()
            await service.join()
            seen = [first]
            while seen[-1]["what"] != "ended":
                seen.append(await stream.event())
            await asyncio.wait_for(stream.ended.wait(), 10)

        assert stream.headers[b"content-type"].startswith(b"text/event-stream")
        assert set(first) == {"id", "message_id", "at", "what", "detail"}
        words = [event["what"] for event in seen]
        assert words[0] == "accepted"
        assert words.index("planned") < words.index("chunk") < words.index("ended")
        ids = [event["id"] for event in seen]
        assert ids == sorted(set(ids))
        assert {event["message_id"] for event in seen} == {message_id}

    run(test)


def test_a_stream_is_taken_up_where_it_broke_off(service: FolderService, run: Run) -> None:
    """With Last-Event-ID it begins behind that event; when nothing can come any more the answer is 204."""

    async def test() -> None:
        app = app_of(service, **QUICK)
        async with client_of(app) as client:
            message_id = await start(client)
            await client.post(f"/jobs/{message_id}/cancel")
            path = f"/track/events?message_id={message_id}"
            whole = (await client.get(path)).text
            ids = [line.removeprefix("id: ") for line in whole.splitlines() if line.startswith("id: ")]
            for number, last in enumerate(ids[:-1]):
                rest = (await client.get(path, headers={"Last-Event-ID": last})).text
                found = [line.removeprefix("id: ") for line in rest.splitlines() if line.startswith("id: ")]

                assert found == ids[number + 1 :]
            nothing = await client.get(path, headers={"Last-Event-ID": ids[-1]})

        assert len(ids) >= 2
        assert nothing.status_code == 204

    run(test)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
def test_a_place_is_a_number(service: FolderService, run: Run, last: str) -> None:
    """A Last-Event-ID that is none is a 422 problem."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            answer = await client.get("/api/events", headers={"Last-Event-ID": last})

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "Last-Event-ID"

    run(test)


def test_everything_is_heard_from_now_on(service: FolderService, run: Run) -> None:
    """The stream of all jobs begins with what happens next, or behind Last-Event-ID."""

    async def test() -> None:
        app = app_of(service, **QUICK)
        async with client_of(app) as client:
            old = await start(client)
            async with listening(app, "/api/events") as stream:
                assert await stream.status == 200
                await stream.frame()  # it has found its place
                new = await start(client)

                assert (await stream.event())["message_id"] == new
            async with listening(app, "/api/events", last="0") as stream:
                assert (await stream.event())["message_id"] == old

    run(test)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
def test_the_newest_event_is_found(service: FolderService, run: Run, count: int) -> None:
    """The place of the newest event is the largest number, however many there are."""

    async def test() -> None:
        app = app_of(service)
        async with client_of(app) as client:
            for _ in range(count):
                await start(client)
            text = (await client.get("/metrics")).text
            assert text
        newest = await app.state.room.streams.newest()
        from millstream.core.ingestion import ReadIngestionEvents  # noqa: PLC0415 - of this test alone

        events = await service.ledger.read(ReadIngestionEvents(message_id=None))
        assert newest == max((event.id for event in events), default=0)

    run(test)


def test_silence_is_broken_now_and_then(service: FolderService, run: Run) -> None:
    """While nothing happens a comment tells that the server is there."""

    async def test() -> None:
        app = app_of(service, look_every_s=0.01, heartbeat_s=0.02)
        async with listening(app, "/api/events") as stream:
            assert (await stream.frame()).startswith("retry: ")
            assert (await stream.frame()).startswith(": ")

    run(test)


def test_streams_are_limited_and_given_back(service: FolderService, run: Run) -> None:
    """Beyond the limit the answer is 429 with Retry-After; a stream that ends makes room."""

    async def test() -> None:
        app = app_of(service, streams=1, **QUICK)
        async with client_of(app) as client:
            message_id = await start(client)
            async with listening(app, "/api/events") as stream:
                await stream.frame()
                refused = await client.get(f"/track/events?message_id={message_id}")
            await client.post(f"/jobs/{message_id}/cancel")
            answered = await client.get(f"/track/events?message_id={message_id}")

        assert refused.status_code == 429
        assert "Retry-After" in refused.headers
        assert answered.status_code == 200
        assert app.state.room.streams.open == 0

    run(test)


def test_one_key_leaves_streams_for_others(service: FolderService, run: Run) -> None:
    """One key gets a part of the streams only."""

    async def test() -> None:
        app = app_of(service, streams=4, keys=API_KEYS, **QUICK)
        async with client_of(app, key="alice") as alice, listening(app, "/api/events", key="alice") as stream:
            await stream.frame()

            assert (await alice.get("/api/events")).status_code == 429
            async with listening(app, "/api/events", key="bob") as other:
                assert await other.status == 200

    run(test)


def test_a_key_hears_its_own_jobs_only(service: FolderService, run: Run) -> None:
    """The stream of everything has the caller's jobs, for an operator all."""

    async def test() -> None:
        app = app_of(service, keys=API_KEYS, **QUICK)
        async with client_of(app, key="alice") as alice, client_of(app, key="bob") as bob:
            of_bob = (await bob.post("/read-and-publish-data", json=WANTED)).json()["message_id"]
            of_alice = (await alice.post("/read-and-publish-data", json=WANTED)).json()["message_id"]
        async with listening(app, "/api/events", last="0", key="alice") as stream:
            assert (await stream.event())["message_id"] == of_alice
        async with listening(app, "/api/events", last="0", key="root") as stream:
            assert (await stream.event())["message_id"] == of_bob

    run(test)


def test_streams_end_with_the_server(service: FolderService, run: Run) -> None:
    """When the server stops its streams end by themselves."""

    async def test() -> None:
        app = app_of(service, look_every_s=60)
        async with listening(app, "/api/events") as stream:
            await stream.frame()
            app.state.room.close()
            await asyncio.wait_for(stream.ended.wait(), 10)

    run(test)
