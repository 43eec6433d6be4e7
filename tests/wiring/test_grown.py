"""Files through a grown service: real brokers, a real database, real worker processes."""

import asyncio
from pathlib import Path

import pytest

from millstream.core.tasks import Status
from servers.postgres import Postgres
from wiring.grown import Site, new_database, rows, serving, spec, until, workers

pytestmark = pytest.mark.slow


@pytest.fixture(params=["rabbitmq", "temporal"])
def site(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Site:
    """A service with one dispatcher or the other."""
    dispatch = {"dispatcher": request.param}
    if request.param == "rabbitmq":
        dispatch["broker"] = f"amqp://{request.getfixturevalue('rabbitmq').address}"
    else:
        dispatch["temporal"] = request.getfixturevalue("temporal").address
    return Site(tmp_path, ledger=new_database(postgres), dispatch=dispatch)


def test_two_workers_publish_a_file(site: Site) -> None:
    """Every record of a file that two workers share is in its output once, in order."""
    content = rows(8000)
    site.write("data.csv", content)

    async def scenario() -> None:
        async with serving(site) as ingest:
            await ingest.accept(spec(site, "data.csv", message_id="m1"))
            row = await until(ingest, "m1", lambda row: row.ended_at is not None)

            assert (row.status, row.records_published) == (Status.SUCCEEDED, len(content))
            assert row.chunks_done > 10

    with workers(site, number=2) as started:
        asyncio.run(scenario())
        ends = [worker.end() for worker in started]

    assert ends == [0, 0]
    site.check("m1", content)


def test_a_worker_is_killed(site: Site) -> None:
    """A worker that is killed in the middle costs nothing but time: another takes over what it had claimed."""
    content = rows(20_000)
    site.write("data.csv", content)

    async def scenario() -> None:
        async with serving(site) as ingest:
            await ingest.accept(spec(site, "data.csv", message_id="m1"))
            await until(ingest, "m1", lambda row: row.chunks_done >= 3)
            started[0].kill()
            row = await until(ingest, "m1", lambda row: row.ended_at is not None)

            assert row.status is Status.SUCCEEDED

    with workers(site, number=2) as started:
        asyncio.run(scenario())

    site.check("m1", content)
