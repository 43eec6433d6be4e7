"""The records of minibatches in a shared store: copied, fetched, compared, deleted."""

import asyncio
import zlib
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from adapters.store.conftest import enter_s3
from millstream.adapters.clock import SystemClock
from millstream.adapters.spool import SegmentSpool
from millstream.adapters.sqlite import SqliteLedger
from millstream.adapters.store import open_store
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, CutReason, Done, Job, Kind, Retry
from millstream.core.operations import Claim, CloseBatch, DeclarePipeline, Finish, OpenBatch, SetMeta
from millstream.errors import SpoolDamagedError
from millstream.runtime.batch import Batch, Context, Handler
from millstream.runtime.events import AttemptEnded
from millstream.runtime.inline import InlinePool
from millstream.runtime.payload import (
    PayloadKeeper,
    PayloadRemover,
    ReferringPool,
    WithPayload,
    payload_name,
    space_key,
)

T = TypeVar("T")
RECORDS = b"one\ntwo\nthree\n"
SPACE = "space"


def run(scenario: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 30))


class Site:
    """A ledger, a spool and a store, with one closed minibatch."""

    def __init__(self, folder: Path, *, store: str) -> None:
        self.folder = folder
        self.store = open_store(store)
        self.spool = SegmentSpool(folder / "spool")
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.keeper = PayloadKeeper("clicks", space=SPACE, store=self.store, read=self.spool.read, ledger=self.ledger)

    async def close_batch(self, name: str = "clicks-00000001", *, seq: int = 1, data: bytes = RECORDS) -> None:
        start = self.spool.append("main", data)
        await self.spool.sync()
        opened = OpenBatch(
            batch_id=name, pipeline="clicks", key=None, seq=seq, opened_at=1.0, closes_at=None, start=start
        )
        closed = CloseBatch(
            batch_id=name,
            cut=CutReason.COUNT,
            closed_at=1.0,
            at=1.0,
            records=data.count(b"\n"),
            size_bytes=len(data),
            checksum=zlib.crc32(data),
            ranges=((start, start + len(data)),),
        )
        declared = DeclarePipeline(name="clicks", kind=Kind.MINIBATCH, at=0.0)
        space = SetMeta(key=space_key("clicks"), value=SPACE)
        await self.ledger.apply([declared, space, opened, closed])

    async def claim(self) -> Job:
        claim = Claim(pipeline="clicks", at=1e9, limit=1, max_bytes=1 << 30, owner="test", epoch=1)
        (job,) = await self.ledger.do(claim)
        return job

    async def finish(self, job: Job, outcome: Done | Retry, *, bury: bool = False) -> None:
        result = AttemptResult(outcome=outcome)
        await self.ledger.do(Finish(batch_id=job.id, fence=job.fence, at=2.0, result=result, bury=bury))

    def objects(self) -> list[str]:
        return [each.name for each in self.store.list()]

    async def work(self, job: Job, handler: Handler) -> AttemptResult:
        """As a worker does, in this process."""
        wrapped = WithPayload(handler, open_store=lambda: self.store)
        pool = ReferringPool(InlinePool(lambda: wrapped, name="clicks", scratch=str(self.folder)), ledger=self.ledger)
        await pool.start()
        try:
            return await pool.run(job)
        finally:
            await pool.stop()

    async def end(self) -> None:
        self.spool.close()
        await self.ledger.close()


@pytest.fixture(params=["folder", "s3"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    if request.param == "s3":
        s3 = request.getfixturevalue("s3")
        enter_s3(s3, monkeypatch)
        store = f"s3://{s3.bucket()}/some/prefix"
    else:
        (tmp_path / "store").mkdir()
        store = str(tmp_path / "store")
    site = Site(tmp_path, store=store)
    yield site
    run(site.end())


def test_a_worker_reads_what_was_copied(site: Site) -> None:
    """The handler gets the records, as often as it asks for them; nothing of them stays on the worker's disk."""
    seen: list[list[bytes]] = []

    def handler(batch: Batch, context: Context) -> None:
        del context
        seen.extend([list(batch), list(batch)])

    async def scenario() -> AttemptResult:
        await site.close_batch()
        await site.keeper.keep("clicks-00000001")
        return await site.work(await site.claim(), handler)

    result = run(scenario())

    assert result.outcome == Done()
    assert seen == [[b"one", b"two", b"three"]] * 2


def test_an_async_handler_reads_while_it_runs(site: Site) -> None:
    """The records are there until it has ended."""
    seen: list[bytes] = []

    async def handler(batch: Batch, context: Context) -> None:
        del context
        await asyncio.sleep(0)
        seen.extend(batch)

    async def scenario() -> AttemptResult:
        await site.close_batch()
        await site.keeper.keep("clicks-00000001")
        return await site.work(await site.claim(), handler)

    assert run(scenario()).outcome == Done()
    assert seen == [b"one", b"two", b"three"]


def test_a_worker_that_comes_too_early_tries_again(site: Site) -> None:
    """Its attempt is not charged, and the handler is not called."""

    def handler(batch: Batch, context: Context) -> None:
        raise AssertionError((batch, context))

    async def scenario() -> AttemptResult:
        await site.close_batch()
        return await site.work(await site.claim(), handler)

    result = run(scenario())

    assert not result.charged
    assert isinstance(result.outcome, Retry)
    assert "the records of clicks-00000001 are not there, or not yet" in result.outcome.error


def test_a_damaged_object_is_never_worked(site: Site) -> None:
    """Not a byte of it reaches the handler, and the attempt is charged."""

    def handler(batch: Batch, context: Context) -> None:
        raise AssertionError((batch, context))

    async def scenario() -> AttemptResult:
        await site.close_batch()
        site.store.put(payload_name(SPACE, batch_id="clicks-00000001"), [RECORDS.replace(b"two", b"TWO")])
        return await site.work(await site.claim(), handler)

    result = run(scenario())

    assert result.charged
    assert isinstance(result.outcome, Retry)
    assert "clicks-00000001: expected 14 bytes with checksum" in result.outcome.error


def test_a_damaged_spool_is_not_copied(site: Site) -> None:
    """Nothing appears in the store."""

    async def scenario() -> None:
        await site.close_batch()
        (path,) = (site.folder / "spool" / "main").iterdir()
        path.write_bytes(RECORDS.replace(b"two", b"TWO"))
        await site.keeper.keep("clicks-00000001")

    with pytest.raises(SpoolDamagedError):
        run(scenario())
    assert site.objects() == []


def test_a_copy_is_made_once_and_again_when_it_is_lost(site: Site) -> None:
    """An engine that starts again finds what is there, and mends what is not."""
    name = payload_name(SPACE, batch_id="clicks-00000001")

    async def scenario() -> tuple[str, str, str]:
        await site.close_batch()
        await site.keeper.keep("clicks-00000001")
        first = site.store.head(name).version
        await site.keeper.keep("clicks-00000001")
        second = site.store.head(name).version
        site.store.delete(name)
        await site.keeper.keep("clicks-00000001")
        return first, second, site.objects()[0]

    first, second, found = run(scenario())

    assert first == second
    assert found == name


def test_what_is_over_is_cleaned_up(site: Site) -> None:
    """Objects of done batches, and of those that nobody knows any more; dead and unfinished ones stay."""

    async def scenario() -> list[str]:
        for seq in (1, 2, 3):
            await site.close_batch(f"clicks-{seq:08d}", seq=seq)
            await site.keeper.keep(f"clicks-{seq:08d}")
        site.store.put(payload_name(SPACE, batch_id="clicks-00000009"), [b"pruned"])
        site.store.put(payload_name("other", batch_id="clicks-00000001"), [b"of another engine"])
        await site.finish(await site.claim(), Done())
        await site.finish(await site.claim(), Retry(), bury=True)
        assert await site.keeper.clean() == 2
        await site.keeper.keep("clicks-00000001")  # it is over, so it is not copied again
        return site.objects()

    kept = [payload_name(SPACE, batch_id=f"clicks-0000000{seq}") for seq in (2, 3)]
    assert run(scenario()) == [payload_name("other", batch_id="clicks-00000001"), *kept]


def test_a_worker_deletes_what_the_ledger_says_is_over(site: Site) -> None:
    """Of its own pipelines, and only then."""
    ended = AttemptEnded(
        pipeline="clicks",
        batch_id="clicks-00000001",
        attempt=1,
        state=State.DONE,
        records=3,
        size_bytes=14,
        seconds=0.0,
        error=None,
    )

    async def scenario() -> list[str]:
        await site.ledger.do(SetMeta(key=space_key("clicks"), value=SPACE))
        for seq in (1, 2, 3):
            site.store.put(payload_name(SPACE, batch_id=f"clicks-{seq:08d}"), [b"x"])
        remover = PayloadRemover(["clicks"], open_store=lambda: site.store)
        remover(replace(ended, batch_id="clicks-00000002", state=State.WAITING))
        remover(replace(ended, batch_id="clicks-00000003", pipeline="other"))
        remover(ended)
        removing = asyncio.create_task(remover.run(site.ledger, SystemClock()))
        while payload_name(SPACE, batch_id="clicks-00000001") in site.objects():  # noqa: ASYNC110 - in a thread
            await asyncio.sleep(0)
        removing.cancel()
        return site.objects()

    assert run(scenario()) == [payload_name(SPACE, batch_id=f"clicks-0000000{seq}") for seq in (2, 3)]
