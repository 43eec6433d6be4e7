"""How far a job is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from millstream.core.model import Retry
from millstream.core.splitting import Rejected
from web.serving import WANTED, FolderService, app_of, client_of

Run = Callable[[Any], Any]
REJECTS = [Rejected(record=number, start=4 + 10 * number, end=14 + 10 * number, reason="ragged") for number in range(3)]


async def start(client: httpx.AsyncClient, **change: object) -> str:
    """Ask for a file; the message id."""
    answer = await client.post("/read-and-publish-data", json={**WANTED, **change})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["message_id"])


def test_a_job_is_followed_to_its_end(service: FolderService, run: Run) -> None:
    """Status, bytes, records and chunks are those of the ledger at each moment; at the end all bytes are done."""

    async def test() -> None:
        seen = []
        async with client_of(app_of(service)) as client:
            message_id = await start(client, policy="skip")

            async def look() -> dict[str, Any]:
                document = (await client.get("/track", params={"message_id": message_id})).json()
                seen.append((document["status"], document["bytes_done"], *document["chunks"].values()))
                return dict(document)

            await look()
            await service.plan(chunks=3)
            await look()
            await service.claim()
            await look()
            await service.finish(await service.claim(), outcome=Retry(error="boom"), bury=True)
            document = await look()

        assert seen[0] == ("queued", 0, 0, 0, 0, 0)
        assert seen[1] == ("running", 0, 3, 0, 0, 0)
        assert seen[2] == ("running", 0, 2, 1, 0, 0)
        assert seen[3] == ("running", 0, 1, 1, 0, 1)
        assert document["size_bytes"] == 304

    run(test)


def test_at_the_end_everything_is_told(service: FolderService, run: Run) -> None:
    """A job that ended shows its counts, its mean rate, no estimate, and ISO times in UTC."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client, policy="skip")
            await service.plan(chunks=1)
            await service.work(rejects=REJECTS)
            await service.join()
            document = (await client.get(f"/track?{message_id}")).json()

        assert document["status"] == "succeeded"
        assert document["records_published"] == 7
        assert document["records_rejected"] == 3
        assert document["bytes_done"] == document["size_bytes"] == 104
        assert document["eta_s"] is None
        assert document["error"] is None
        assert document["created_at"].endswith("Z")

    run(test)


@pytest.mark.parametrize("query", ["", "?message_id=", "?message_id=a/b", "?message_id=a&message_id=b", "?" + 65 * "a"])
def test_an_id_is_needed(service: FolderService, run: Run, query: str) -> None:
    """Without one id of the right form the answer is 422, naming message_id."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            for path in ("/track", "/track/chunks", "/track/rejects", "/track/events"):
                answer = await client.get(path + query)

                assert answer.status_code == 422
                assert answer.json()["errors"][0]["field"] == "message_id"

    run(test)


def test_chunks_come_in_pages(service: FolderService, run: Run) -> None:
    """Pages of chunks, by state or all, cover each chunk once, in order."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            await service.plan(chunks=7)
            for _ in range(3):
                await service.work()
            await service.claim()

            async def pages(**params: object) -> list[dict[str, Any]]:
                found: list[dict[str, Any]] = []
                cursor = None
                while True:
                    given = {"message_id": message_id, **params, **({"cursor": cursor} if cursor else {})}
                    page = (await client.get("/track/chunks", params=given)).json()
                    found += page["chunks"]
                    cursor = page["next_cursor"]
                    if cursor is None:
                        return found

            assert [chunk["seq"] for chunk in await pages(limit=2)] == list(range(7))
            assert [chunk["seq"] for chunk in await pages(state="done", limit=1)] == [0, 1, 2]
            assert [chunk["seq"] for chunk in await pages(state="running")] == [3]
            assert [chunk["seq"] for chunk in await pages(state="planned", limit=3)] == [4, 5, 6]
            assert await pages(state="failed") == []
            assert {chunk["records_published"] for chunk in await pages(state="done")} == {10}

    run(test)


def test_rejects_have_byte_ranges(service: FolderService, run: Run) -> None:
    """The dead letters of a job come in pages with record, range and reason."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            await service.plan(chunks=1)
            await service.work(rejects=REJECTS)
            first = (await client.get("/track/rejects", params={"message_id": message_id, "limit": 2})).json()
            rest = (
                await client.get(
                    "/track/rejects", params={"message_id": message_id, "limit": 2, "cursor": first["next_cursor"]}
                )
            ).json()

        assert first["rejects"][0] == {"record": 0, "chunk": 0, "start": 4, "end": 14, "reason": "ragged"}
        assert [each["record"] for each in first["rejects"] + rest["rejects"]] == [0, 1, 2]
        assert rest["next_cursor"] is None

    run(test)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/track/chunks?message_id=a&limit=0", "limit"),
        ("/track/chunks?message_id=a&limit=1001", "limit"),
        ("/track/chunks?message_id=a&limit=x", "limit"),
        ("/track/chunks?message_id=a&cursor=-1", "cursor"),
        ("/track/chunks?message_id=a&cursor=99999999999999999999", "cursor"),
        ("/track/chunks?message_id=a&state=lost", "state"),
        ("/jobs?status=lost", "status"),
        ("/jobs?status=queued,", "status"),
        ("/jobs?cursor=x", "cursor"),
    ],
)
def test_wrong_parameters_are_named(service: FolderService, run: Run, path: str, field: str) -> None:
    """A parameter that cannot be used is a 422 problem that names it."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            answer = await client.get(path)

        assert answer.status_code == 422
        assert field in [each["field"] for each in answer.json()["errors"]]

    run(test)
