"""What is refused before any route is looked at, and what every answer has."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from millstream.errors import LedgerUnreachableError
from millstream.web import LOOPBACK_HOSTS
from web.serving import WANTED, FolderService, app_of, client_of

Run = Callable[[Any], Any]
POST = "/read-and-publish-data"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1].evil",
        "192.0.2.1",
        "169.254.169.254",
    ],
)
def test_a_name_that_was_pointed_here_gets_nowhere(service: FolderService, run: Run, host: str) -> None:
    """A request under a name that is not the server's own is refused, whatever it asks for."""

    async def test() -> None:
        async with client_of(app_of(service), Host=host) as client:
            answers = [await client.get(path) for path in ("/", "/jobs", "/health/live")]
            answers.append(await client.post(POST, json=WANTED))

        assert {answer.status_code for answer in answers} == {421}

    run(test)


@pytest.mark.parametrize("host", [*LOOPBACK_HOSTS, "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_the_names_of_this_machine_are_known(service: FolderService, run: Run, host: str) -> None:
    """Whatever its port and case, a name of this machine will do."""

    async def test() -> None:
        async with client_of(app_of(service), Host=host) as client:
            assert (await client.get("/health/live")).status_code == 200

    run(test)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Origin": "http://localhost"}, 202),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_other_sites_change_nothing(service: FolderService, run: Run, headers: dict[str, str], status: int) -> None:
    """A page of another site cannot make a browser change anything here; programs and the own page can."""

    async def test() -> None:
        async with client_of(app_of(service), **headers) as client:
            answer = await client.post(POST, json=WANTED)
            preflight = await client.options(POST, headers={"Access-Control-Request-Method": "POST"})

        assert answer.status_code == status
        assert not [name for name in (*answer.headers, *preflight.headers) if name.startswith("access-control")]

    run(test)


def test_answers_are_safe_for_browsers(service: FolderService, run: Run) -> None:
    """Every answer, problems included, has the headers that keep a browser from doing more than showing it."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            for path in ("/", "/static/app.js", "/jobs", "/nowhere", "/track", "/health/ready"):
                headers = (await client.get(path)).headers

                assert "default-src 'self'" in headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["X-Frame-Options"] == "DENY"
            assert (await client.get("/jobs")).headers["Cache-Control"] == "no-store"

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/jobs/", 404),
        ("DELETE", "/jobs", 405),
        ("GET", POST, 405),
        ("TRACE", "/jobs", 405),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/static/..%2fapp.py", 404),
        ("GET", "/static/%2e%2e%2f%2e%2e%2fapp.py", 404),
        ("GET", "/static//etc/passwd", 404),
        ("GET", "/docs", 404),
    ],
)
def test_what_is_not_there_is_a_problem(service: FolderService, run: Run, method: str, path: str, status: int) -> None:
    """Unknown paths and methods are problems, too, and no file outside of the page is served."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            answer = await client.request(method, path)

        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"

    run(test)


def test_a_failure_is_no_traceback(service: FolderService, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """What the server did not foresee is a 500 problem that tells nothing; the log has the story."""

    async def test() -> None:
        async def fail() -> None:
            raise RuntimeError("the secret of the house")

        service.hold = fail
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, json=WANTED)

        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "the secret of the house" in caplog.text

    run(test)


def test_a_ledger_that_is_down_is_told(service: FolderService, run: Run) -> None:
    """While the database is away the answer is 503 with Retry-After, in its own words."""

    async def test() -> None:
        async def fail() -> None:
            raise LedgerUnreachableError(address="postgresql://db", waited_s=5, reason="refused")

        service.hold = fail
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, json=WANTED)

        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "postgresql://db" in answer.json()["detail"]

    run(test)


def test_requests_have_an_end(service: FolderService, run: Run) -> None:
    """A request that what is behind the server does not answer ends with 503, and makes room for others."""

    async def test() -> None:
        service.hold = asyncio.Event().wait  # type: ignore[assignment] # its result does not matter
        app = app_of(service, request_s=0.1)
        async with client_of(app) as client:
            answer = await client.post(POST, json=WANTED)

        assert answer.status_code == 503
        assert app.state.room.in_flight == 0

    run(test)


def test_so_many_at_once_and_no_more(service: FolderService, run: Run) -> None:
    """Beyond the limit of requests at once the answer is 429, at once; afterwards there is room again."""

    async def test() -> None:
        go_on, entered = asyncio.Event(), asyncio.Semaphore(0)

        async def hold() -> None:
            entered.release()
            await go_on.wait()

        service.hold = hold
        app = app_of(service, in_flight=3)
        async with client_of(app) as client:
            held = [asyncio.ensure_future(client.post(POST, json=WANTED)) for _ in range(3)]
            for _ in range(3):
                await entered.acquire()
            refused = await client.post(POST, json=WANTED)
            go_on.set()
            answers = [await each for each in held]

        assert refused.status_code == 429
        assert "Retry-After" in refused.headers
        assert {answer.status_code for answer in answers} == {202}
        assert app.state.room.in_flight == 0

    run(test)


def test_a_rate_is_kept(service: FolderService, run: Run) -> None:
    """Beyond burst and rate the answer is 429 with Retry-After; liveness is never refused."""

    async def test() -> None:
        app = app_of(service, requests_per_s=0.001, burst=3)
        async with client_of(app) as client:
            answers = [await client.get("/jobs") for _ in range(5)]
            live = await client.get("/health/live")

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[4].headers["Retry-After"]) > 100
        assert live.status_code == 200

    run(test)


@pytest.mark.parametrize(
    ("problems", "status", "word"),
    [((), 200, "ready"), (("sink",), 200, "degraded"), (("ledger",), 503, "unavailable")],
)
def test_readiness(service: FolderService, run: Run, problems: tuple[str, ...], status: int, word: str) -> None:
    """Ready when all works, degraded when jobs would wait, unavailable when nothing can be taken on."""

    async def test() -> None:
        from millstream.web import Part  # noqa: PLC0415 - of this test alone

        service.parts = [
            Part(name=name, problem="down" if name in problems else "", required=name == "ledger")
            for name in ("ledger", "sink")
        ]
        async with client_of(app_of(service)) as client:
            answer = await client.get("/health/ready")

        assert (answer.status_code, answer.json()["status"]) == (status, word)
        assert [part["ok"] for part in answer.json()["parts"]] == ["ledger" not in problems, "sink" not in problems]

    run(test)
