"""What works plan steps and chunks in a worker host."""

from pathlib import Path

import pytest

from ingest.driving import Site
from millstream.adapters.partfile import PartFolder
from millstream.adapters.store import LocalStore
from millstream.core.ingestion import PIPELINE, ChunkReport, ChunkTask, PlanReport, PlanTask, Spoiled
from millstream.core.model import Discard, Done, Job, Kind
from millstream.core.splitting import Position
from millstream.errors import StoreUnavailableError
from millstream.ingest.handler import Outside, handler_of
from millstream.ingest.unpacking import UnpackLimits
from millstream.ports.store import Store
from millstream.runtime.batch import Batch, Context
from millstream.runtime.interrupt import AttemptInterrupted


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def outside(site: Site, *, opened: list[str] | None = None) -> Outside:
    def open_store(name: str) -> Store:
        if opened is not None:
            opened.append(name)
        if name != "in":
            raise StoreUnavailableError(address=name, reason="not configured")
        return LocalStore(site.folder / name)

    return Outside(
        open_store=open_store,
        open_sink=lambda address: PartFolder(site.folder / address),
        open_scratch=lambda: LocalStore(site.folder / "scratch"),
        limits=UnpackLimits(),
    )


def job(site: Site, task: PlanTask | ChunkTask, *, fence: int = 1) -> Job:
    is_plan = isinstance(task, PlanTask)
    return Job(
        id="m1-x",
        kind=Kind.PLAN if is_plan else Kind.CHUNK,
        pipeline=PIPELINE,
        attempt=fence,
        fence=fence,
        key="m1",
        plan=task if isinstance(task, PlanTask) else None,
        chunk=task if isinstance(task, ChunkTask) else None,
    )


def test_a_plan_step_and_a_chunk(site):
    """Reports are left in the context, places are opened once, and the fence names the part."""
    site.write(b"a\n1\n2\n")
    opened: list[str] = []
    handler = handler_of(outside(site, opened=opened))()
    plan = job(site, PlanTask(spec=site.spec(), found=None, at=Position(offset=0)))
    first = Context(plan)

    assert handler(Batch(plan), first) == Done("1 chunks")
    assert isinstance(first.report, PlanReport)
    work = job(site, ChunkTask(spec=site.spec(), found=first.report.found, chunk=first.report.chunks[0]), fence=7)
    second = Context(work)
    assert handler(Batch(work), second) == Done("2 records")
    assert isinstance(second.report, ChunkReport)
    assert second.report.receipt.startswith("000000.7 ")
    assert opened == ["in"]


def test_what_is_spoiled_is_discarded_with_its_reason(site):
    """A missing file ends its batch with a report, not with an error."""
    work = job(site, PlanTask(spec=site.spec(), found=None, at=Position(offset=0)))
    context = Context(work)

    outcome = handler_of(outside(site))()(Batch(work), context)

    assert isinstance(outcome, Discard)
    assert isinstance(context.report, Spoiled)
    assert outcome.reason == context.report.reason


def test_a_container_that_is_not_configured_is_waited_for(site):
    """It may be configured again: the batch waits."""
    spec = site.spec()
    other = PlanTask(
        spec=type(spec)(message_id="m1", container="gone", name="x", sink="out"), found=None, at=Position(offset=0)
    )
    work = job(site, other)

    with pytest.raises(StoreUnavailableError):
        handler_of(outside(site))()(Batch(work), Context(work))


def test_an_interrupt_leaves_nothing_behind(site):
    """A chunk whose attempt is to end stops between blocks, and its part is removed."""
    site.write(b"a\n" + b"1\n" * 5000)
    found, (chunk,) = site.plan(site.spec())
    work = job(site, ChunkTask(spec=site.spec(), found=found, chunk=chunk))
    context = Context(work)
    handler = handler_of(outside(site))()
    context._cancelled.set()

    with pytest.raises(AttemptInterrupted):
        handler(Batch(work), context)

    assert not [path for path in (site.folder / "out").rglob("*") if path.is_file()]
