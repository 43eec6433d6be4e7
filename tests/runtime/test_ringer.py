"""Ringing for the batches of a pipeline that others work."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from millstream.adapters.clock import SystemClock
from millstream.adapters.sqlite import SqliteLedger
from millstream.core.hold import Hold, dump_hold, hold_key, load_hold
from millstream.core.ingestion import ClaimBatch
from millstream.core.lifecycle import State
from millstream.core.model import AttemptResult, Done, FileRef, Job, Kind, Retry
from millstream.core.operations import DeclarePipeline, Finish, PlanBucket, SetMeta
from millstream.core.queries import ReadMeta
from millstream.errors import BellUnavailableError, StoreUnavailableError
from millstream.ports.bell import Ring, Work
from millstream.runtime import ringer as module
from millstream.runtime.events import AttemptEnded, Event, Events
from millstream.runtime.ringer import Prepare, Ringer

T = TypeVar("T")


class MemoryBell:
    """Remembers rings; away while `is_away`."""

    address = "memory"

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.is_away = False
        self.tried = asyncio.Event()

    async def ring(self, rings: Sequence[Ring]) -> None:
        self.tried.set()
        if self.is_away:
            raise BellUnavailableError(address=self.address, reason="it is away")
        self.rung += [ring.batch_id for ring in rings]

    async def answer(self, work: Work, *, slots: int, stop: asyncio.Event | None = None) -> None:
        raise NotImplementedError

    async def check(self) -> None:
        """It is there."""

    async def close(self) -> None:
        """Nothing is open."""


class Site:
    """A ledger, a bell, and a ringer that runs."""

    def __init__(self, folder: Path, *, prepare: Prepare | None = None) -> None:
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.bell = MemoryBell()
        self.told: list[Event] = []
        self.ringer = Ringer(
            "files",
            bell=self.bell,
            ledger=self.ledger,
            clock=SystemClock(),
            events=Events(self.told.append),
            prepare=prepare,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.ledger.do(DeclarePipeline(name="files", kind=Kind.BUCKET, at=0.0))
        task = asyncio.create_task(self.ringer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.ledger.close()

    async def plan(self, *names: str) -> None:
        for name in names:
            file = FileRef(path=f"/{name}", size_bytes=1, mtime_ns=1, inode=1)
            bucket = PlanBucket(
                batch_id=name, pipeline="files", files=(file,), size_bytes=1, cost_s=1.0, oversize=False, at=1.0
            )
            await self.ledger.do(bucket)
        self.ringer.ring()

    async def claim(self, name: str) -> Job:
        job = await self.ledger.do(ClaimBatch(batch_id=name, at=2.0, owner="w", lease_until=1e12))
        assert job is not None
        return job

    async def finish(self, job: Job, outcome: Done | Retry, *, not_before: float = 0.0) -> None:
        result = AttemptResult(outcome=outcome)
        await self.ledger.do(Finish(batch_id=job.id, fence=job.fence, at=3.0, result=result, not_before=not_before))
        self.ringer.ring()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Look after each look of the ringer."""
        while not condition():
            self.ringer.settled.clear()
            await self.ringer.settled.wait()

    async def look(self) -> None:
        """Return after the next whole look of the ringer."""
        self.ringer.settled.clear()
        self.ringer.ring()
        await self.ringer.settled.wait()

    def ended(self) -> list[tuple[str, State | None]]:
        return [(event.batch_id, event.state) for event in self.told if isinstance(event, AttemptEnded)]


def run(scenario: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(scenario, 30))


def test_what_is_ready_is_rung_for_once(tmp_path: Path) -> None:
    """However often it is looked at."""

    async def scenario() -> list[str]:
        site = Site(tmp_path)
        async with site.running():
            await site.plan("a", "b")
            await site.until(lambda: len(site.bell.rung) == 2)
            await site.plan("c")
            await site.until(lambda: len(site.bell.rung) == 3)
        return site.bell.rung

    assert sorted(run(scenario())) == ["a", "b", "c"]


def test_a_ring_that_did_not_get_through_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, until the bell is there."""
    monkeypatch.setattr(module, "AGAIN_S", 0.01)

    async def scenario() -> list[str]:
        site = Site(tmp_path)
        site.bell.is_away = True
        async with site.running():
            await site.plan("a")
            await site.bell.tried.wait()
            assert not site.ringer.is_idle
            site.bell.is_away = False
            await site.until(lambda: bool(site.bell.rung))
        return site.bell.rung

    assert run(scenario()) == ["a"]


def test_what_keeps_it_from_ringing_stands_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it lasts; what an engine that was killed has left there goes at the first look."""
    monkeypatch.setattr(module, "AGAIN_S", 0.01)

    async def scenario() -> tuple[Hold | None, ...]:
        site = Site(tmp_path)
        key = hold_key("files")
        left = Hold(since=1.0, reason="left by another engine")
        await site.ledger.do(SetMeta(key=key, value=dump_hold(left)))
        seen = []
        async with site.running():
            await site.look()
            seen.append(load_hold(await site.ledger.read(ReadMeta(key=key))))
            site.bell.is_away = True
            await site.plan("a")
            await site.bell.tried.wait()
            await site.look()
            seen.append(load_hold(await site.ledger.read(ReadMeta(key=key))))
            site.bell.is_away = False
            await site.until(lambda: bool(site.bell.rung))
            await site.look()
            seen.append(load_hold(await site.ledger.read(ReadMeta(key=key))))
        return tuple(seen)

    before, meanwhile, afterwards = run(scenario())
    assert before is None
    assert meanwhile is not None
    assert "it is away" in meanwhile.reason
    assert meanwhile.since > 1.0
    assert afterwards is None


def test_an_engine_that_ends_leaves_no_reason(tmp_path: Path) -> None:
    """Whoever looks in later is not told what keeps it from ringing: it does not ring any more."""

    async def scenario() -> tuple[Hold | None, Hold | None]:
        site = Site(tmp_path)
        key = hold_key("files")
        site.bell.is_away = True
        async with site.running():
            await site.plan("a")
            await site.bell.tried.wait()
            await site.look()
            before = load_hold(await site.ledger.read(ReadMeta(key=key)))
            site.ringer.stop_claiming()
            await site.ringer.finish()
            return before, load_hold(await site.ledger.read(ReadMeta(key=key)))

    before, afterwards = run(scenario())
    assert before is not None
    assert afterwards is None


def test_what_cannot_be_prepared_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are rung for meanwhile; it is tried again."""
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    tried: list[str] = []

    async def prepare(batch_id: str) -> None:
        tried.append(batch_id)
        if batch_id == "a" and tried.count("a") < 3:
            raise StoreUnavailableError(address="memory", reason="it is away")

    async def scenario() -> list[str]:
        site = Site(tmp_path, prepare=prepare)
        async with site.running():
            await site.plan("a", "b")
            await site.until(lambda: len(site.bell.rung) == 2)
        return site.bell.rung

    assert run(scenario()) == ["b", "a"]
    assert tried.count("b") == 1


def test_it_tells_what_became_of_batches(tmp_path: Path) -> None:
    """Retries and ends, as the ledger has them; and it is idle when all are over."""

    async def scenario() -> list[tuple[str, State | None]]:
        site = Site(tmp_path)
        async with site.running():
            await site.plan("a", "b")
            await site.until(lambda: len(site.bell.rung) == 2)
            one, two = await site.claim("a"), await site.claim("b")
            await site.finish(one, Done())
            await site.until(lambda: len(site.ended()) == 1)
            assert not site.ringer.is_idle
            await site.finish(two, Retry(), not_before=1e12)
            await site.until(lambda: len(site.ended()) == 2)
            again = await site.ledger.do(ClaimBatch(batch_id="b", at=2e12, owner="w", lease_until=1e13))
            assert again is not None
            await site.finish(again, Done())
            await site.ringer.finish(until_idle=True)
            await site.until(lambda: site.ringer.is_idle)
        return site.ended()

    assert run(scenario()) == [("a", State.DONE), ("b", State.WAITING), ("b", State.DONE)]


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_what_ends_while_it_looks_is_told_before_it_is_idle(tmp_path: Path, asked: int) -> None:
    """A batch that ends just before the ledger is asked whether anything is left, at any look, was told in the end."""

    async def scenario() -> list[tuple[str, State | None]]:
        site = Site(tmp_path)
        async with site.running():
            await site.plan("a")
            await site.until(lambda: site.bell.rung == ["a"])
            has_unfinished, questions = site.ringer._has_unfinished, 0

            async def ended_meanwhile() -> bool:
                nonlocal questions
                questions += 1
                if questions == asked:
                    await site.finish(await site.claim("a"), Done())
                return await has_unfinished()

            site.ringer._has_unfinished = ended_meanwhile  # type: ignore[method-assign]
            site.ringer.ring()
            await site.until(lambda: questions > 0)
            await site.ringer.finish(until_idle=True)
            assert site.ringer.is_idle
            return site.ended()

    assert run(scenario()) == [("a", State.DONE)]


def test_a_batch_whose_retry_is_due_is_rung_for_again(tmp_path: Path) -> None:
    """Even if no sweeper does."""

    async def scenario() -> list[str]:
        site = Site(tmp_path)
        async with site.running():
            await site.plan("a")
            await site.until(lambda: site.bell.rung == ["a"])
            await site.finish(await site.claim("a"), Retry(), not_before=1.0)
            await site.until(lambda: len(site.bell.rung) == 2)
        return site.bell.rung

    assert run(scenario()) == ["a", "a"]


def test_a_drain_stops_the_ringing(tmp_path: Path) -> None:
    """What becomes ready later is for the next start, or a sweeper."""

    async def scenario() -> list[str]:
        site = Site(tmp_path)
        async with site.running():
            await site.plan("a")
            await site.until(lambda: site.bell.rung == ["a"])
            site.ringer.stop_claiming()
            await site.plan("b")
            await site.ringer.finish()
            site.ringer.settled.clear()
            await site.ringer.settled.wait()
        return site.bell.rung

    assert run(scenario()) == ["a"]
