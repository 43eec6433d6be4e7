"""Asking for files."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from millstream.core.ingestion import ReadIngestions
from millstream.core.splitting import Dialect
from web.serving import WANTED, FolderService, app_of, client_of

POST = "/read-and-publish-data"
Run = Callable[[Any], Any]


def test_a_file_is_taken_on(service: FolderService, run: Run) -> None:
    """The answer is 202 with an id, and where to track it; the job is in the ledger by then."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, json=WANTED)
            tracked = await client.get(answer.headers["Location"])

        assert answer.status_code == 202
        body = answer.json()
        assert body["status"] == "accepted"
        assert body["links"]["track"] == answer.headers["Location"] == f"/track?message_id={body['message_id']}"
        assert int(answer.headers["Retry-After"]) > 0
        assert tracked.status_code == 200
        assert tracked.json()["message_id"] == body["message_id"]
        assert tracked.json()["file_name"] == "data.csv"

    run(test)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"file_name": ""}, "file_name"),
        ({"file_name": "../secret"}, "file_name"),
        ({"file_name": "a/../../secret"}, "file_name"),
        ({"file_name": "/etc/passwd"}, "file_name"),
        ({"file_name": "a//b"}, "file_name"),
        ({"file_name": "a/./b"}, "file_name"),
        ({"file_name": "a\\b"}, "file_name"),
        ({"file_name": "a\u0000b"}, "file_name"),
        ({"file_name": "a\nb"}, "file_name"),
        ({"file_name": "a\u0085b"}, "file_name"),
        ({"file_name": "é" * 513}, "file_name"),
        ({"file_name": "\ud800"}, "file_name"),
        ({"file_name": ".hidden"}, "file_name"),
        ({"file_name": 7}, "file_name"),
        ({"file_name": None}, "file_name"),
        ({"file_container": "http://169.254.169.254"}, "file_container"),
        ({"file_container": "s3://bucket"}, "file_container"),
        ({"file_container": "127.0.0.1"}, "file_container"),
        ({"file_container": "../test"}, "file_container"),
        ({"file_container": "test\n"}, "file_container"),
        ({"file_container": "Test"}, "file_container"),
        ({"file_container": "a" * 64}, "file_container"),
        ({"file_container": "-a"}, "file_container"),
        ({"format": "xml"}, "format"),
        ({"policy": "lenient"}, "policy"),
        ({"chunk_bytes": 0}, "chunk_bytes"),
        ({"chunk_bytes": 10**12}, "chunk_bytes"),
        ({"chunk_bytes": "4MB"}, "chunk_bytes"),
        ({"chunk_bytes": True}, "chunk_bytes"),
        ({"url": "http://169.254.169.254"}, "url"),
        ({"credentials": "secret"}, "credentials"),
    ],
)
def test_wrong_input_is_named(service: FolderService, run: Run, change: dict[str, object], field: str) -> None:
    """A field that cannot be used is a 422 problem that names it; nothing is asked of a store, nothing taken on."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            content = json.dumps({**WANTED, **change}).encode("utf-8", "surrogatepass")
            answer = await client.post(POST, content=content, headers={"Content-Type": "application/json"})

        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert field in [each["field"] for each in answer.json()["errors"]]
        assert service.heads == 0
        assert await service.ledger.read(ReadIngestions()) == ()

    run(test)


def test_settings_that_do_not_go_together_are_named(service: FolderService, run: Run) -> None:
    """What only the service can tell about a request is its fault, too; nothing is down, so it is no 503."""

    async def read_as_asked() -> None:
        Dialect(delimiter="|", quote="|")

    async def test() -> None:
        service.hold = read_as_asked
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, json=WANTED)

        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["errors"] == [
            {"field": "quote", "detail": "expected another character than the delimiter, found '|'"}
        ]

    run(test)


def test_the_same_key_is_the_same_job(service: FolderService, run: Run) -> None:
    """A request that is sent again with its idempotency key gets the same answer, even if its file is gone by then."""

    async def test() -> None:
        async with client_of(app_of(service), **{"Idempotency-Key": '"once"'}) as client:
            first = await client.post(POST, json=WANTED)
            second = await client.post(POST, json=WANTED)
            (service.folder / "test" / "data.csv").unlink()
            third = await client.post(POST, json=WANTED)

        assert first.status_code == second.status_code == third.status_code == 202
        assert first.json() == second.json() == third.json()
        assert second.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert len(await service.ledger.read(ReadIngestions())) == 1

    run(test)


def test_a_key_is_not_used_for_two_requests(service: FolderService, run: Run) -> None:
    """Another request with the same idempotency key is a 422 problem, whether its file exists or not."""

    async def test() -> None:
        service.put("more.csv")
        async with client_of(app_of(service), **{"Idempotency-Key": "once"}) as client:
            await client.post(POST, json=WANTED)
            other = await client.post(POST, json={**WANTED, "file_name": "more.csv"})
            missing = await client.post(POST, json={**WANTED, "file_name": "missing.csv"})

        assert other.status_code == missing.status_code == 422
        assert other.json()["errors"][0]["field"] == "Idempotency-Key"

    run(test)


def test_two_at_once_are_one_job(service: FolderService, run: Run) -> None:
    """While a request is being answered, another one with its idempotency key is a 409 problem."""

    async def test() -> None:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            entered.set()
            await go_on.wait()

        service.hold = hold
        async with client_of(app_of(service), **{"Idempotency-Key": "once"}) as client:
            first = asyncio.ensure_future(client.post(POST, json=WANTED))
            await entered.wait()
            second = await client.post(POST, json=WANTED)
            go_on.set()
            third = await client.post(POST, json=WANTED)

            assert (await first).status_code == 202
        assert second.status_code == 409
        assert "Retry-After" in second.headers
        assert third.status_code in (202, 409)
        assert len(await service.ledger.read(ReadIngestions())) == 1

    run(test)


def test_a_crowd_with_one_key_makes_one_job(service: FolderService, run: Run) -> None:
    """Two servers on one ledger, twenty requests each with one key at once: one job, and no other answers."""

    async def test() -> None:
        apps = [app_of(service), app_of(service)]
        clients = [client_of(app, **{"Idempotency-Key": "once"}) for app in apps]
        answers = await asyncio.gather(*(clients[number % 2].post(POST, json=WANTED) for number in range(40)))

        assert {answer.status_code for answer in answers} <= {202, 409}
        ids = {answer.json()["message_id"] for answer in answers if answer.status_code == 202}
        assert len(ids) == 1
        assert len(await service.ledger.read(ReadIngestions())) == 1
        for client in clients:
            await client.aclose()

    run(test)


def test_a_missing_file_is_told_at_once(service: FolderService, run: Run) -> None:
    """A file that is not there, a container that is not there, and a link out of it are the same 404."""

    async def test() -> None:
        (service.folder / "test" / "link.csv").symlink_to("/etc/passwd")
        async with client_of(app_of(service)) as client:
            answers = [
                await client.post(POST, json={**WANTED, **change})
                for change in (
                    {"file_name": "missing.csv"},
                    {"file_container": "nowhere"},
                    {"file_name": "link.csv"},
                    {"file_name": "data.csv/x"},
                )
            ]

        assert [answer.status_code for answer in answers] == [404] * 4
        assert len({answer.content for answer in answers}) == 1
        assert await service.ledger.read(ReadIngestions()) == ()

    run(test)


def test_a_store_that_is_down_keeps_nobody_waiting(service: FolderService, run: Run) -> None:
    """A request is taken on while its store is down; the job waits for it."""

    async def test() -> None:
        service.is_store_down = True
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, json=WANTED)

        assert answer.status_code == 202

    run(test)


def test_a_file_is_not_cut_too_small(service: FolderService, run: Run) -> None:
    """A chunk size that makes too many chunks of a file is a 422 problem, so is a file that is too large."""

    async def test() -> None:
        service.put("long.csv", data=b"x" * 100_001)
        app = app_of(service, chunks_per_job=100, file_bytes=1_000_000)
        async with client_of(app) as client:
            small = await client.post(POST, json={**WANTED, "file_name": "long.csv", "chunk_bytes": 1000})
            fits = await client.post(POST, json={**WANTED, "file_name": "long.csv", "chunk_bytes": 1001})
            service.put("long.csv", data=b"x" * 1_000_001)
            large = await client.post(POST, json={**WANTED, "file_name": "long.csv"})

        assert small.status_code == 422
        assert small.json()["errors"][0] == {
            "field": "chunk_bytes",
            "detail": "expected at least 1,001 for a file of 100,001 bytes, found 1,000",
        }
        assert fits.status_code == 202
        assert large.status_code == 422

    run(test)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"", "application/json", 422),
        (b'{"file_name": "data.csv", "file_container": "test"}', "text/plain", 415),
        (b"file_name=data.csv", "application/x-www-form-urlencoded", 415),
        (b" " * 65_537, "application/json", 413),
        (b"[" * 60_000, "application/json", 400),
    ],
)
def test_a_body_that_is_no_request(
    service: FolderService, run: Run, content: bytes, media_type: str, status: int
) -> None:
    """What is no JSON, too large, or of another type is a problem of its own."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, content=content, headers={"Content-Type": media_type})

        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status

    run(test)


def test_a_body_is_not_read_beyond_its_limit(service: FolderService, run: Run) -> None:
    """Of a body without a length no more is read than is allowed."""

    async def test() -> None:
        sent = 0

        async def endless() -> Any:
            nonlocal sent
            while True:
                sent += 1000
                yield b" " * 1000

        async with client_of(app_of(service)) as client:
            answer = await client.post(POST, content=endless(), headers={"Content-Type": "application/json"})

        assert answer.status_code == 413
        assert sent <= 67_000

    run(test)


def test_so_many_jobs_and_no_more(service: FolderService, run: Run) -> None:
    """Beyond the limit of unfinished jobs the answer is 429 with Retry-After."""

    async def test() -> None:
        async with client_of(app_of(service, jobs_per_key=2)) as client:
            answers = [await client.post(POST, json=WANTED) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert int(answers[2].headers["Retry-After"]) >= 1

    run(test)
