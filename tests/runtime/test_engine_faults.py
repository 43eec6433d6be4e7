"""The whole engine under simulated time: crash at every step of a small run, start again, compare."""

import asyncio
import contextlib
import json
import random
from pathlib import Path

import pytest

from millstream.adapters.folder import FolderLister
from millstream.adapters.jsonkey import json_key_reader
from millstream.adapters.simulator import SimulatedMessages
from millstream.adapters.sqlite import SqliteLedger
from millstream.core.exits import Exit
from millstream.core.lifecycle import State
from millstream.core.minibatch import Limits
from millstream.core.model import CutReason, Kind
from millstream.core.queries import ReadAttempts, ReadBatches, ReadFiles, ReadPipelines
from millstream.core.retry import RetryPolicy
from millstream.runtime.dispatch import WorkSettings
from millstream.runtime.engine import Engine, Pipeline
from millstream.runtime.events import Events
from millstream.runtime.files import FilesIntake, FilesSettings
from millstream.runtime.inline import InlinePool
from millstream.runtime.janitor import Janitor, Kept
from millstream.runtime.shutdown import DrainSettings
from millstream.runtime.stream import StreamIntake, StreamSettings
from millstream.runtime.summary import Tallies
from millstream.simulate import START_S, messages
from millstream.testing.clock import ManualClock
from millstream.testing.faults import Crash, FaultPlan, FaultyLedger, FaultySpool, MemorySpool

RATE, DURATION_S, SEED = 1.0, 8.0, 3
SENT = list(messages(rate_per_s=RATE, duration_s=DURATION_S, seed=SEED))


class World:
    """What survives a crash: the ledger, the spool, the clock, the files, and what handlers did to the outside."""

    def __init__(self, folder: Path, *, key: str | None) -> None:
        self.ledger = SqliteLedger(Path(":memory:"), inline=True)
        self.spool = MemorySpool(segment_bytes=300)
        self.clock = ManualClock(start_s=START_S)
        self.folder = folder
        self.key = key
        self.calls: list[tuple[str, int]] = []

    async def run(self, plan: FaultPlan) -> Exit:
        """Run an engine to its end, letting time pass whenever all wait."""
        engine = self.engine(plan)
        running = asyncio.ensure_future(engine.run())
        while not running.done():
            await self.clock.settle()
            wakeup = self.clock.next_wakeup()
            if not running.done() and wakeup is not None:
                self.clock.advance_to(wakeup)
        return running.result()

    def engine(self, plan: FaultPlan) -> Engine:
        ledger, spool = FaultyLedger(self.ledger, plan=plan), FaultySpool(self.spool, plan=plan)
        tallies = Tallies({"s": Kind.MINIBATCH, "f": Kind.BUCKET})
        events = Events(tallies)

        async def work(batch, context) -> None:
            plan.check()
            self.calls.append((batch.id, context.attempt))
            records = list(batch)
            await self.clock.sleep_until(self.clock.now() + 0.7)
            plan.step(f"handler of {batch.id}")
            if len(records) % 3 == 2 and context.attempt == 1:
                raise ValueError("a bad day")

        def stream_intake(on_ready):
            return StreamIntake(
                StreamSettings(name="s", limits=Limits(window_s=2.5), sync_every_s=0),
                source=SimulatedMessages(self.clock, rate_per_s=RATE, duration_s=DURATION_S, seed=SEED),
                spool=spool,
                ledger=ledger,
                clock=self.clock,
                events=events,
                on_ready=on_ready,
                key_reader=json_key_reader(self.key) if self.key else None,
            )

        def files_intake(on_ready):
            return FilesIntake(
                FilesSettings(name="f", capacity=100, workers=2, settle_s=0),
                lister=FolderLister([str(self.folder)], settle_s=0),
                ledger=ledger,
                clock=self.clock,
                events=events,
                on_ready=on_ready,
            )

        retry = RetryPolicy(backoff_s=1.0)
        return Engine(
            [
                Pipeline(
                    work=WorkSettings(pipeline="s", workers=2, retry=retry),
                    pool=InlinePool(lambda: work, name="s", slots=2, read=spool.read),
                    make_intake=stream_intake,
                ),
                Pipeline(
                    work=WorkSettings(pipeline="f", workers=2, retry=retry),
                    pool=InlinePool(lambda: work, name="f", slots=2),
                    make_intake=files_intake,
                ),
            ],
            ledger=ledger,
            clock=self.clock,
            events=events,
            tallies=tallies,
            janitor=Janitor(
                [Kept(pipeline="s", spool=spool, keyed=self.key is not None)],
                ledger=ledger,
                clock=self.clock,
                keep_s=3600,
            ),
            draw=random.Random(1).random,
            drain_settings=DrainSettings(),
        )

    async def check(self) -> None:
        """Every message and file is in exactly one batch, each batch done once, deadlines kept."""
        rows = await self.ledger.read(ReadBatches())
        assert {row.state for row in rows} == {State.DONE}
        found = [
            json.loads(record)["id"]
            for row in rows
            if row.kind is Kind.MINIBATCH
            for record in b"".join(self.spool.read(row.log, row.ranges)).split(b"\n")[:-1]
        ]
        assert sorted(found) == list(range(len(SENT)))
        assert self.key or found == sorted(found)
        for row in rows:
            if row.cut is CutReason.TIME:
                assert row.closed_at == row.closes_at == row.opened_at + 2.5
            attempts = await self.ledger.read(ReadAttempts(batch_id=row.id))
            assert [a.outcome for a in attempts].count("done") == 1
            assert [a.attempt for a in attempts] == list(range(1, len(attempts) + 1))
        files = await self.ledger.read(ReadFiles(pipeline="f"))
        assert sorted(Path(file.path).name for file in files) == sorted(p.name for p in self.folder.iterdir())
        assert all(file.state == "done" and file.sha256 for file in files)
        assert len(set(self.calls)) == len(self.calls)
        (pipeline,) = [row for row in await self.ledger.read(ReadPipelines()) if row.name == "s"]
        assert pipeline.accepted_records == len(SENT)


@pytest.fixture
def folder(tmp_path):
    for number, size in enumerate((90, 60, 30, 20, 250)):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * size)
    return tmp_path


@pytest.fixture(autouse=True)
def no_doorbell(monkeypatch):
    """A ledger in memory has no folder for a doorbell, and nobody else could ring it."""
    monkeypatch.setattr(SqliteLedger, "listen", lambda _self, _callback: lambda: None)


async def crash_at_every_step(folder: Path, *, key: str | None, torn: int) -> int:
    counted = FaultPlan()
    world = World(folder, key=key)
    assert await world.run(counted) is Exit.DONE
    await world.check()
    for step in range(1, len(counted.names) + 1):
        world, plan = World(folder, key=key), FaultPlan(crash_at=step)
        with contextlib.suppress(Crash, BaseExceptionGroup):
            await world.run(plan)
        assert plan.crashed, step
        world.spool = world.spool.after_crash(keep_unsynced=torn)
        world.clock.advance(1.3)
        assert await world.run(FaultPlan()) is Exit.DONE
        await world.check()
    return len(counted.names)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "torn"), [(None, 0), (None, 7), ("user", 7)])
def test_crash_at_every_step(folder, key, torn):
    """Whatever step the engine dies at, the next one loses nothing and doubles nothing."""
    steps = asyncio.run(crash_at_every_step(folder, key=key, torn=torn))

    assert steps > 60


def test_records_are_json_for_the_key(folder):
    """The simulated messages carry the field that the keyed runs are cut by."""
    assert all("user" in json.loads(line) for line in SENT)
