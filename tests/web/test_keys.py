"""Who may do what."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millstream.core.ingestion import ReadIngestions
from millstream.core.model import Retry
from millstream.web.keys import Keyring, digest_of, new_key
from web.serving import API_KEYS, KEYS, WANTED, FolderService, app_of, client_of

Run = Callable[[Any], Any]
POST = "/read-and-publish-data"
OPEN = ("/", "/health/live", "/health/ready", "/openapi.json", "/static/app.js")
CLOSED = (
    ("GET", "/jobs"),
    ("GET", "/track?message_id=a"),
    ("GET", "/track/chunks?message_id=a"),
    ("GET", "/track/rejects?message_id=a"),
    ("GET", "/track/events?message_id=a"),
    ("GET", "/metrics"),
    ("GET", "/api/pipelines"),
    ("GET", "/api/batches/dead"),
    ("GET", "/api/containers"),
    ("GET", "/api/events"),
    ("POST", "/api/batches/a/retry"),
    ("POST", "/jobs/a/cancel"),
    ("POST", POST),
    ("GET", "/nowhere"),
    ("GET", "/static/../jobs"),
    ("GET", "/health/live/../../jobs"),
    ("DELETE", "/jobs"),
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {KEYS['alice']}"},
        {"Authorization": KEYS["alice"]},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "a" * 10_000},
        {"Authorization": "Bearer wrong", "X-API-Key": KEYS["alice"]},
        {"X-API-Key": digest_of(KEYS["alice"])},
    ],
)
def test_without_a_key_nothing_is_told(service: FolderService, run: Run, headers: dict[str, str]) -> None:
    """Without a known key every path but the open ones is the same 401, whether it exists or not."""

    async def test() -> None:
        async with client_of(app_of(service, keys=API_KEYS), **headers) as client:
            answers = [await client.request(method, path) for method, path in CLOSED]

        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert all(answer.headers["WWW-Authenticate"] == "Bearer" for answer in answers)

    run(test)


def test_the_page_and_health_are_open(service: FolderService, run: Run) -> None:
    """Page, OpenAPI document and health need no key; health gives reasons to callers with one only."""

    async def test() -> None:
        from millstream.web import Part  # noqa: PLC0415 - of this test alone

        service.parts = [Part(name="sink", problem="amqp://inside:5672 is down", required=False)]
        app = app_of(service, keys=API_KEYS)
        async with client_of(app) as client, client_of(app, key="bob") as bob:
            answers = [await client.get(path) for path in OPEN]
            hidden = (await client.get("/health/ready")).json()
            shown = (await bob.get("/health/ready")).json()

        assert [answer.status_code for answer in answers] == [200] * len(OPEN)
        assert hidden["status"] == shown["status"] == "degraded"
        assert hidden["parts"][0]["problem"] is None
        assert shown["parts"][0]["problem"] == "amqp://inside:5672 is down"

    run(test)


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_comes_in_either_header(service: FolderService, run: Run, header: str) -> None:
    """`Authorization: Bearer` and `X-API-Key` are the same."""

    async def test() -> None:
        value = KEYS["alice"] if header == "X-API-Key" else f"bearer {KEYS['alice']}"
        async with client_of(app_of(service, keys=API_KEYS), **{header: value}) as client:
            assert (await client.get("/jobs")).status_code == 200

    run(test)


def test_a_container_outside_of_the_scope_is_not_there(service: FolderService, run: Run) -> None:
    """A file of a container that the key may not name is the same 404 as one that is not there."""

    async def test() -> None:
        service.put("data.csv", container="other")
        app = app_of(service, keys=API_KEYS)
        async with client_of(app, key="alice") as alice, client_of(app, key="bob") as bob:
            request = {**WANTED, "file_container": "other"}
            refused = await alice.post(POST, json=request)
            missing = await alice.post(POST, json={**WANTED, "file_name": "missing.csv"})
            allowed = await bob.post(POST, json=request)
            own = (await alice.get("/api/containers")).json()

        assert refused.status_code == 404
        assert refused.content == missing.content
        assert service.heads == 2
        assert allowed.status_code == 202
        assert own == {"containers": ["test"]}

    run(test)


def test_jobs_of_others_are_not_there(service: FolderService, run: Run) -> None:
    """Everything about a job of another key is the same 404 as about one that is not there."""

    async def test() -> None:
        app = app_of(service, keys=API_KEYS)
        async with client_of(app, key="alice") as alice, client_of(app, key="bob") as bob:
            message_id = (await alice.post(POST, json=WANTED)).json()["message_id"]

            async def everything(client: httpx.AsyncClient, name: str) -> list[httpx.Response]:
                reads = ("/track", "/track/chunks", "/track/rejects", "/track/events")
                answers = [await client.get(f"{path}?message_id={name}") for path in reads]
                return answers + [
                    await client.post(f"/jobs/{name}/{action}") for action in ("cancel", "pause", "resume", "retry")
                ]

            of_another = await everything(bob, message_id)
            of_nobody = await everything(bob, "unknown")
            listed = (await bob.get("/jobs")).json()["jobs"]
            own = (await alice.get("/jobs")).json()["jobs"]

        assert [answer.status_code for answer in of_another] == [404] * 8
        assert [answer.content for answer in of_another] == [answer.content for answer in of_nobody]
        assert listed == []
        assert [job["message_id"] for job in own] == [message_id]
        assert await service.status(message_id) == "queued"

    run(test)


def test_dead_letters_of_others_are_not_there(service: FolderService, run: Run) -> None:
    """A key sees and retries dead batches of its own jobs, an operator all."""

    async def test() -> None:
        app = app_of(service, keys=API_KEYS)
        async with client_of(app, key="alice") as alice, client_of(app, key="bob") as bob:
            await alice.post(POST, json=WANTED)
            await service.plan(chunks=1)
            job = await service.claim()
            await service.finish(job, outcome=Retry(error="boom"), bury=True)
            of_alice = (await alice.get("/api/batches/dead")).json()["batches"]
            of_bob = (await bob.get("/api/batches/dead")).json()["batches"]
            refused = await bob.post(f"/api/batches/{job.id}/retry")
            async with client_of(app, key="root") as root:
                of_root = (await root.get("/api/batches/dead")).json()["batches"]
                retried = await root.post(f"/api/batches/{job.id}/retry")

        assert [batch["id"] for batch in of_alice] == [batch["id"] for batch in of_root] == [job.id]
        assert of_bob == []
        assert refused.status_code == 404
        assert retried.status_code == 200

    run(test)


def test_the_engine_is_for_operators(service: FolderService, run: Run) -> None:
    """Pipelines and metrics are a 403 problem for other keys; an operator sees them, and all jobs."""

    async def test() -> None:
        app = app_of(service, keys=API_KEYS)
        async with client_of(app, key="alice") as alice, client_of(app, key="root") as root:
            await alice.post(POST, json=WANTED)
            for path in ("/api/pipelines", "/metrics"):
                assert (await alice.get(path)).status_code == 403
                assert (await root.get(path)).status_code == 200
            assert len((await root.get("/jobs")).json()["jobs"]) == 1

    run(test)


def test_idempotency_keys_are_each_callers_own(service: FolderService, run: Run) -> None:
    """Two callers with one idempotency key have a job each."""

    async def test() -> None:
        app = app_of(service, keys=API_KEYS)
        headers = {"Idempotency-Key": "one"}
        async with client_of(app, key="alice") as alice, client_of(app, key="bob") as bob:
            answers = [await client.post(POST, json=WANTED, headers=headers) for client in (alice, bob)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert len(await service.ledger.read(ReadIngestions())) == 2

    run(test)


def test_keys_are_random_and_kept_as_digests() -> None:
    """A new key is known by its digest, and no other is."""
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(len(key) > 40 for key in keys)
    ring = Keyring(API_KEYS)
    assert all(ring.find({"x-api-key": key}) is None for key in keys)
    found = ring.find({"x-api-key": KEYS["bob"]})
    assert found is not None
    assert found.principal == "bob"
