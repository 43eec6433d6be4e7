"""The list of jobs, and what can be done to one."""

from collections.abc import Callable
from typing import Any

import pytest

from millstream.core.model import Retry
from web.serving import FolderService, app_of, client_of
from web.test_tracking import start

Run = Callable[[Any], Any]


def test_jobs_come_in_pages_newest_first(service: FolderService, run: Run) -> None:
    """Pages cover each job once, newest first, and can be of some statuses only."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            ids = [await start(client) for _ in range(5)]
            await client.post(f"/jobs/{ids[0]}/cancel")
            found, cursor = [], ""
            while cursor is not None:
                page = (await client.get(f"/jobs?limit=2{cursor and '&cursor=' + cursor}")).json()
                found += [job["message_id"] for job in page["jobs"]]
                cursor = page["next_cursor"]
            cancelled = (await client.get("/jobs?status=cancelled,failed")).json()["jobs"]

        assert found == ids[::-1]
        assert [job["message_id"] for job in cancelled] == ids[:1]

    run(test)


def test_a_job_is_paused_and_goes_on(service: FolderService, run: Run) -> None:
    """Pause and resume change the status, may be said twice, and the engine is told."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            answers = [
                await client.post(f"/jobs/{message_id}/{action}") for action in ("pause", "pause", "resume", "resume")
            ]

        assert [answer.status_code for answer in answers] == [200] * 4
        assert [answer.json()["status"] for answer in answers] == ["paused", "paused", "queued", "queued"]
        assert service.rings == 4

    run(test)


def test_what_failed_is_tried_again(service: FolderService, run: Run) -> None:
    """Retry makes dead chunks ready again; a job that has nothing dead refuses with 409."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            await service.plan(chunks=1)
            await service.finish(await service.claim(), outcome=Retry(error="boom"), bury=True)
            failed = (await client.get(f"/track?{message_id}")).json()
            chunk = (await client.get(f"/track/chunks?message_id={message_id}")).json()["chunks"][0]
            retried = await client.post(f"/jobs/{message_id}/retry")
            await service.work()
            await service.join()
            again = await client.post(f"/jobs/{message_id}/retry")

        assert failed["status"] == "failed"
        assert (chunk["state"], chunk["error"]) == ("failed", "boom")
        assert (retried.status_code, retried.json()["status"]) == (200, "running")
        assert again.status_code == 409
        assert await service.status(message_id) == "succeeded"

    run(test)


def test_a_job_that_ended_cannot_be_stopped(service: FolderService, run: Run) -> None:
    """What makes no sense for a job as it is now is a 409 problem that says what it is; cancelling twice is fine."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            first = await client.post(f"/jobs/{message_id}/cancel")
            second = await client.post(f"/jobs/{message_id}/cancel")
            others = [await client.post(f"/jobs/{message_id}/{word}") for word in ("pause", "resume", "retry")]

        assert first.status_code == second.status_code == 200
        assert [answer.status_code for answer in others] == [409] * 3
        assert all("cancelled" in answer.json()["detail"] for answer in others)

    run(test)


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_there_is_no_such_job(service: FolderService, run: Run, action: str) -> None:
    """An unknown id is a 404, one of the wrong form a 422, another method a 405, another action a 404."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            assert (await client.post(f"/jobs/unknown/{action}")).status_code == 404
            assert (await client.post(f"/jobs/a.b/{action}")).status_code == 422
            wrong = await client.get(f"/jobs/unknown/{action}")
            assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
            assert (await client.post("/jobs/unknown/explode")).status_code == 404

    run(test)


def test_dead_batches_are_listed_and_retried(service: FolderService, run: Run) -> None:
    """Dead batches come in pages, oldest first; one that is retried is dead no more, and a second time refused."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            await service.plan(chunks=3)
            for _ in range(3):
                await service.finish(await service.claim(), outcome=Retry(error="boom"), bury=True)
            first = (await client.get("/api/batches/dead?limit=2")).json()
            rest = (await client.get(f"/api/batches/dead?limit=2&cursor={first['next_cursor']}")).json()
            name = first["batches"][0]["id"]
            retried = await client.post(f"/api/batches/{name}/retry")
            again = await client.post(f"/api/batches/{name}/retry")
            unknown = await client.post("/api/batches/unknown/retry")
            left = (await client.get("/api/batches/dead")).json()["batches"]

        batches = first["batches"] + rest["batches"]
        assert len(batches) == 3
        assert rest["next_cursor"] is None
        assert {batch["key"] for batch in batches} == {message_id}
        assert retried.json() == {"batch_id": name, "retried": 1}
        assert (again.status_code, unknown.status_code) == (409, 404)
        assert [batch["id"] for batch in left] == [batch["id"] for batch in batches[1:]]

    run(test)


def test_the_engine_shows_its_pipelines(service: FolderService, run: Run) -> None:
    """Pipelines with the number of batches in each state, workers, and what runs."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            await start(client)
            await service.plan(chunks=3)
            running = await service.claim()
            document = (await client.get("/api/pipelines")).json()

        (pipeline,) = document["pipelines"]
        assert pipeline["name"] == "ingest"
        assert (pipeline["states"]["ready"], pipeline["states"]["running"], pipeline["states"]["done"]) == (2, 1, 1)
        assert pipeline["oldest_waiting_s"] >= 0
        assert document["pool"] == {"workers": 4, "busy": 1, "processes": 1}
        assert [batch["id"] for batch in document["running"]] == [running.id]

    run(test)


def test_metrics_tell_jobs_and_requests(service: FolderService, run: Run) -> None:
    """Prometheus reads jobs by status, records, bytes, workers and requests."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            await start(client)
            await service.plan(chunks=2)
            await service.work()
            await client.get("/nowhere")
            text = (await client.get("/metrics")).text

        for line in (
            'millstream_jobs{status="running"} 1.0',
            "millstream_records_published 10.0",
            'millstream_batches{pipeline="ingest",state="done"} 2.0',
            "millstream_workers 4.0",
            'millstream_http_requests_total{method="POST",status="202"} 1.0',
            'millstream_http_requests_total{method="GET",status="404"} 1.0',
        ):
            assert line in text.splitlines()

    run(test)


def test_bytes_are_counted_alike(service: FolderService, run: Run) -> None:
    """The metric of bytes has what stands before the first record, as the job itself: at the end, the size of files."""

    async def test() -> None:
        async with client_of(app_of(service)) as client:
            message_id = await start(client)
            await service.plan(chunks=2)
            await service.work()
            await service.work()
            job = (await client.get(f"/track?{message_id}")).json()
            text = (await client.get("/metrics")).text

        assert job["bytes_done"] == job["size_bytes"] == 204
        assert "millstream_bytes_done 204.0" in text.splitlines()

    run(test)
