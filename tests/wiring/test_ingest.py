"""The embedded service: accepts at any time, works, joins, drains, goes on."""

import asyncio
import fcntl
import gzip
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from millstream.core.ingestion import (
    Act,
    Action,
    Answered,
    FileSpec,
    IngestionRow,
    OnChange,
    ReadIngestion,
    ReadIngestionEvents,
    Status,
)
from millstream.core.splitting import Dialect, Format, Policy
from millstream.web.service import Wanted
from millstream.wiring.ingest import EmbeddedIngest, IngestSettings
from millstream.wiring.serving import IngestService
from millstream.wiring.sinks import read_sink

pytestmark = pytest.mark.slow
ENDED = {Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.CANCELLED}


class Place:
    """A folder with a container `test`, a state folder and an output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "in").mkdir()
        self.sink = read_sink(str(folder / "out"))
        self.settings = IngestSettings(
            state=folder / "state", containers={"test": str(folder / "in")}, sinks=(self.sink,), workers=2
        )

    def run(self, work: Callable[[EmbeddedIngest], Awaitable[object]], settings: IngestSettings | None = None) -> None:
        """Start the service, do something with it, and stop it."""

        async def main(ingest: EmbeddedIngest) -> None:
            await ingest.start()
            try:
                await work(ingest)
            finally:
                await ingest.stop()

        with EmbeddedIngest(settings or self.settings, is_quiet=True) as ingest:
            asyncio.run(main(ingest))

    def write(self, name: str, data: bytes) -> None:
        (self.folder / "in" / name).write_bytes(data)

    def spec(self, message_id: str, name: str, **options: object) -> FileSpec:
        return FileSpec(message_id=message_id, container="test", name=name, sink=self.sink.shown, **options)  # type: ignore[arg-type]

    def output(self, message_id: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "out" / f"{message_id}.jsonl").read_bytes().splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def until(
    ingest: EmbeddedIngest, message_id: str, *, holds: Callable[[IngestionRow], bool] = lambda row: row.status in ENDED
) -> IngestionRow:
    """The row once `holds`; looks for a bounded time."""
    async with asyncio.timeout(30):
        while True:
            row = await ingest.ledger.read(ReadIngestion(message_id=message_id))
            if row is not None and holds(row):
                return row
            await asyncio.sleep(0.02)


ROWS = b"a,b\n" + b"".join(b'%d,"x\ny"\n' % number for number in range(5000))


def test_files_are_taken_on_at_any_time(place):
    """Several files, one after another and at once, each come out whole under their own id."""
    place.write("data.csv", ROWS)
    place.write("data.csv.gz", gzip.compress(ROWS))

    async def work(ingest: EmbeddedIngest) -> None:
        for message_id, name in (("one", "data.csv"), ("two", "data.csv.gz"), ("three", "data.csv")):
            assert (await ingest.accept(place.spec(message_id, name, chunk_bytes=5000))).answered is Answered.NEW
        for message_id in ("one", "two", "three"):
            assert (await until(ingest, message_id)).status is Status.SUCCEEDED
        await ingest.accept(place.spec("four", "data.csv"))
        row = await until(ingest, "four")
        assert (row.status, row.records_published, row.waits_for) == (Status.SUCCEEDED, 5000, "")

    place.run(work)
    for message_id in ("one", "two", "three", "four"):
        expected = [{"_id": f"{message_id}:{number}", "a": str(number), "b": "x\ny"} for number in range(5000)]
        assert place.output(message_id) == expected
    assert list((place.folder / "state" / "copies").iterdir()) == []
    assert sorted(path.name for path in (place.folder / "out").glob("*")) == [
        ".parts",
        *sorted(f"{name}.jsonl" for name in ("one", "two", "three", "four")),
    ]


def test_a_file_that_never_stands_still_is_given_up(place):
    """It is begun anew with each version, five times in all; the last one says why it failed."""
    place.write("data.csv", ROWS)
    is_over = threading.Event()

    def change() -> None:
        """Not in the event loop: what keeps that busy would let the file stand still."""
        with (place.folder / "in" / "data.csv").open("ab", buffering=0) as file:
            while not is_over.wait(0.0005):
                file.write(b"1,2\n")

    async def work(ingest: EmbeddedIngest) -> None:
        changing = asyncio.ensure_future(asyncio.to_thread(change))
        try:
            await ingest.accept(place.spec("one", "data.csv", chunk_bytes=1000, on_change=OnChange.RESTART))
            last = await until(ingest, "one-v5")
        finally:
            is_over.set()
            await changing

        assert (last.status, last.successor) == (Status.FAILED, "")
        assert "changed while each of 5 versions was read" in last.error
        assert await ingest.ledger.read(ReadIngestion(message_id="one-v6")) is None

    place.run(work)


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_part_that_is_damaged_before_it_is_joined_is_made_again(place, damage):
    """The chunk is worked once more, and the file is whole, though nobody did anything about it."""
    place.write("data.csv", ROWS)
    parts = place.folder / "out" / ".parts"
    parts.mkdir(parents=True)

    async def work(ingest: EmbeddedIngest) -> None:
        with (parts / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # so that nothing is joined yet
            await ingest.accept(place.spec("one", "data.csv", chunk_bytes=10_000))
            await until(ingest, "one", holds=lambda row: row.planned_all and row.chunks_done == row.chunks_planned)
            part = sorted((parts / "one").iterdir())[1]
            if damage == "missing":
                part.unlink()
            else:
                part.write_bytes(part.read_bytes().replace(b"x", b"y"))
        row = await until(ingest, "one")
        events = await ingest.ledger.read(ReadIngestionEvents(message_id="one", limit=1000))
        (again,) = [event.detail for event in events if event.what == "chunk" and "is done again" in event.detail]
        assert again.startswith(f"1 is done again: output: {part}: expected ")
        assert (row.status, row.records_published, row.waits_for) == (Status.SUCCEEDED, 5000, "")

    place.run(work)

    assert [record["_id"] for record in place.output("one")] == [f"one:{number}" for number in range(5000)]
    assert all(record["b"] == "x\ny" for record in place.output("one"))


def test_a_stop_keeps_what_is_left_and_the_next_start_goes_on(place):
    """What was accepted and not worked is worked by the next start."""
    place.write("data.csv", ROWS)

    async def begin(ingest: EmbeddedIngest) -> None:
        await ingest.accept(place.spec("one", "data.csv", chunk_bytes=1000))
        await until(ingest, "one", holds=lambda row: row.chunks_done > 0)

    async def finish(ingest: EmbeddedIngest) -> None:
        await until(ingest, "one")

    place.run(begin)
    place.run(finish)

    assert [record["_id"] for record in place.output("one")] == [f"one:{number}" for number in range(5000)]


def test_pause_resume_and_cancel(place):
    """A paused ingestion stands still until it is resumed; a cancelled one ends, and no file appears."""
    place.write("data.csv", ROWS)

    async def work(ingest: EmbeddedIngest) -> None:
        for message_id in ("one", "two"):
            await ingest.accept(place.spec(message_id, "data.csv", chunk_bytes=1000))
            await ingest.ledger.do(Act(message_id=message_id, action=Action.PAUSE, at=ingest.clock.now()))
            ingest.ring()
        await until(ingest, "one", holds=lambda row: row.status is Status.PAUSED and not row.chunks_running)
        for message_id, action in (("one", Action.RESUME), ("two", Action.CANCEL)):
            await ingest.ledger.do(Act(message_id=message_id, action=action, at=ingest.clock.now()))
            ingest.ring()
        assert (await until(ingest, "one")).status is Status.SUCCEEDED
        assert (await until(ingest, "two")).status is Status.CANCELLED

    place.run(work)
    assert len(place.output("one")) == 5000
    assert not (place.folder / "out" / "two.jsonl").exists()


def test_a_container_that_is_away_is_waited_for(place):
    """A container that is not configured (any more) is what the job waits for; with it again it goes on."""
    place.write("data.csv", ROWS)
    without = IngestSettings(state=place.settings.state, sinks=(place.sink,), workers=2)

    async def wait(ingest: EmbeddedIngest) -> None:
        await ingest.accept(place.spec("one", "data.csv"))
        row = await until(ingest, "one", holds=lambda row: bool(row.waits_for))
        assert "no container of that name" in row.waits_for

    async def go_on(ingest: EmbeddedIngest) -> None:
        assert (await until(ingest, "one")).waits_for == ""

    place.run(wait, without)
    place.run(go_on)

    assert len(place.output("one")) == 5000


def test_an_output_that_cannot_be_written_is_waited_for(place):
    """A file in the place of the output folder is what jobs wait for, until it is gone."""
    place.write("data.csv", ROWS)
    (place.folder / "out").write_text("in the way")

    async def work(ingest: EmbeddedIngest) -> None:
        await ingest.accept(place.spec("one", "data.csv"))
        row = await until(ingest, "one", holds=lambda row: bool(row.waits_for))
        assert "out" in row.waits_for
        (place.folder / "out").unlink()
        await until(ingest, "one")

    place.run(work)
    assert len(place.output("one")) == 5000


def test_the_service_of_the_api(place):
    """What a request leaves open is decided, and every part says how it is."""
    place.write("data.tsv", b"a\tb\n1\t2\n")

    async def work(ingest: EmbeddedIngest) -> None:
        service = IngestService(ingest, sink=place.sink, chunk_bytes=2000)
        assert set(service.containers) == {"test"}
        assert service.head("test", name="data.tsv").size_bytes == 8
        wanted = Wanted(container="test", file_name="data.tsv", principal="me", quote="", idempotency_key="k", limit=5)
        first, second = await service.accept(wanted), await service.accept(wanted)
        assert (first.answered, second.answered) == (Answered.NEW, Answered.SAME)
        assert first.message_id == second.message_id
        row = await until(ingest, first.message_id)
        assert row.principal == "me"
        assert row.spec.dialect == Dialect(delimiter="\t", quote=None)
        assert (row.spec.chunk_bytes, row.spec.policy) == (2000, Policy.STRICT)
        assert service.spec(Wanted(container="test", file_name="x.dat", principal="")).dialect.format is Format.LINES
        assert {part.name: part.problem for part in await service.check()} == {
            "ledger": "",
            "container test": "",
            "sink": "",
            "dispatcher": "",
        }
        (place.folder / "in" / "data.tsv").unlink()
        (place.folder / "in").rmdir()
        problems = {part.name: part for part in await service.check()}
        assert problems["container test"].problem
        assert not problems["container test"].required
        pool = service.pool()
        assert pool is not None
        assert (pool.workers, pool.busy) == (2, 0)

    place.run(work)
