"""What workflows do between rings, on a real server; and that histories of earlier versions replay."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

pytest.importorskip("temporalio")

from dev import temporal as dev_temporal
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from adapters.temporal.playing import HISTORIES, Play, Stage, ring_for
from millstream.adapters.temporal.bell import runner
from millstream.adapters.temporal.orders import IngestOrder
from millstream.adapters.temporal.workflows import BatchWorkflow, IngestWorkflow
from millstream.core.tasks import PIPELINE, plan_id
from servers.temporal import Temporal

PLAN = plan_id("m1", seq=0)


def events(history: str, kind: str) -> int:
    """How many events of a kind a history has."""
    return sum(each["eventType"] == f"EVENT_TYPE_{kind}" for each in json.loads(history)["events"])


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*.json")), ids=lambda path: path.stem)
def test_a_kept_history_replays(path: Path) -> None:
    """What an earlier version did, this one does as well, so workflows that are open survive an upgrade."""
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    replayer = Replayer(workflows=[IngestWorkflow, BatchWorkflow], workflow_runner=runner())

    asyncio.run(replayer.replay_workflow(history))


def test_histories_were_kept() -> None:
    """There are histories of each workflow, of one that continued as new, and of each version."""
    names = {path.stem.partition("-")[2] for path in HISTORIES.glob("*.json")}

    assert {"ingestion", "continued-0", "continued-1", "batch"} <= names
    assert {path.stem.partition("-")[0] for path in HISTORIES.glob("*.json")} >= {"v1", "v2", "v3"}


def test_an_ingestion_ends_its_workflow(temporal: Temporal) -> None:
    """All chunks are worked, retries at their time, and the workflow ends when nothing is left."""
    play_: list[Play] = []

    async def scenario() -> None:
        play = Play(chunks=60, stubborn=5)
        play_.append(play)
        async with Stage(temporal.address, play) as stage:
            await stage.bell.ring([ring_for(PLAN)])
            await asyncio.wait_for((await stage.handle()).result(), 60)
            history = await stage.history()

        assert set(play.done) == {PLAN, *play.chunks}
        # An activity goes on with what is ready: that is what makes it cheap.
        assert events(history, "ACTIVITY_TASK_SCHEDULED") < 30
        assert events(history, "TIMER_STARTED") <= 10

    asyncio.run(scenario())


def test_an_activity_goes_on_with_what_is_ready(temporal: Temporal) -> None:
    """Who heard of one chunk only has all that are ready worked, in the turn of the one that was ordered."""

    async def scenario() -> None:
        play = Play(chunks=20)
        play.done.append(PLAN)
        async with Stage(temporal.address, play, slots=1) as stage:
            await stage.bell.ring([ring_for(play.chunks[0])])
            await asyncio.wait_for((await stage.handle()).result(), 60)
            history = await stage.history()

        assert sorted(play.done) == sorted([PLAN, *play.chunks])
        assert events(history, "ACTIVITY_TASK_SCHEDULED") <= 2

    asyncio.run(scenario())


def test_an_activity_uses_all_slots(temporal: Temporal) -> None:
    """One activity has as many batches worked at once as its worker has slots."""

    async def scenario() -> None:
        play = Play(chunks=8)
        busy = 0
        everybody = asyncio.Event()
        work = play.work

        async def together(ring, claimed):
            nonlocal busy
            if ring.batch_id and ring.batch_id != PLAN:
                busy += 1
                if busy == 4:
                    everybody.set()
                await everybody.wait()
            return await work(ring, claimed)

        play.work = together
        async with Stage(temporal.address, play, slots=4) as stage:
            await stage.bell.ring([ring_for(PLAN)])
            await asyncio.wait_for((await stage.handle()).result(), 60)
            history = await stage.history()

        assert sorted(play.done) == sorted([PLAN, *play.chunks])
        assert events(history, "ACTIVITY_TASK_STARTED") <= 2

    asyncio.run(scenario())


def test_a_long_batch_is_not_waited_for(temporal: Temporal) -> None:
    """An activity ends though a batch of it goes on, so its place is free; the workflow hears when that has ended."""

    async def scenario() -> None:
        play = Play(chunks=3)
        gate = asyncio.Event()
        work = play.work

        async def slow(ring, claimed):
            if ring.batch_id == play.chunks[0]:
                await gate.wait()
            return await work(ring, claimed)

        play.work = slow
        async with Stage(temporal.address, play, slots=2) as stage:
            await stage.begin(IngestOrder(message_id="m1", pipeline=PIPELINE, turn_s=0.2, crews=True))
            await stage.until_told("ACTIVITY_TASK_COMPLETED")
            assert play.chunks[0] not in play.done
            gate.set()
            await asyncio.wait_for((await stage.handle()).result(), 60)

        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())


def test_workers_that_come_later_take_part(temporal: Temporal) -> None:
    """While one worker is busy with all of its slots, one that comes finds an order that waits for it."""

    async def scenario() -> None:
        play = Play(chunks=8)
        busy, gate = asyncio.Event(), asyncio.Event()
        work = play.work

        async def stuck(ring, claimed):
            if ring.batch_id and ring.batch_id != PLAN:
                busy.set()
                await gate.wait()
            return await work(ring, claimed)

        play.work = stuck
        async with Stage(temporal.address, play, slots=1) as stage:
            await stage.bell.ring([ring_for(PLAN)])
            await asyncio.wait_for(busy.wait(), 60)
            play.work = work
            helper = asyncio.ensure_future(stage.bell.answer(work, slots=1))
            await play.until(lambda: len(play.done) >= 8)
            gate.set()
            await asyncio.wait_for((await stage.handle()).result(), 60)
            helper.cancel()
            await asyncio.gather(helper, return_exceptions=True)

        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())


def test_rings_too_many_cost_nothing(temporal: Temporal) -> None:
    """Rings for what is in hand begin nothing, and a ring after the end begins a workflow that ends at once."""

    async def scenario() -> None:
        play = Play(chunks=10)
        async with Stage(temporal.address, play) as stage:
            for _ in range(5):
                await stage.bell.ring([ring_for(PLAN)])
            await asyncio.wait_for((await stage.handle()).result(), 60)
            await stage.bell.ring([ring_for(play.chunks[0])])
            await asyncio.wait_for((await stage.handle()).result(), 60)

            assert len(await stage.runs()) == 2
        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())


def test_a_paused_ingestion_sleeps(temporal: Temporal) -> None:
    """While there is nothing ready and it is not over the workflow does nothing; a ring wakes it."""

    async def scenario() -> None:
        play = Play(chunks=3)
        play.is_paused = True
        async with Stage(temporal.address, play) as stage:
            await stage.bell.ring([ring_for(PLAN)])
            await play.until(lambda: play.looks == 1)
            handle = await stage.handle()
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
            play.is_paused = False
            await stage.bell.ring([ring_for(play.chunks[0])])
            await asyncio.wait_for(handle.result(), 60)
            history = await stage.history()

        assert sorted(play.done) == sorted([PLAN, *play.chunks])
        assert events(history, "ACTIVITY_TASK_SCHEDULED") <= 7

    asyncio.run(scenario())


def test_a_long_history_continues_as_new(temporal: Temporal) -> None:
    """After so many activities a workflow goes on as a new run, with what was left; nothing is worked twice."""

    async def scenario() -> None:
        play = Play(chunks=40, stubborn=2)
        async with Stage(temporal.address, play) as stage:
            await stage.begin(IngestOrder(message_id="m1", pipeline=PIPELINE, many=4, group=3))
            await play.until(lambda: len(play.done) == 41)
            runs = await stage.runs()
            histories = [await stage.history(run_id) for run_id in runs]

        assert len(runs) >= 4
        assert all(events(each, "ACTIVITY_TASK_SCHEDULED") <= 4 for each in histories)
        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())


def test_an_ended_workflow_does_not_end_work(temporal: Temporal) -> None:
    """An operator of Temporal who terminates a workflow ends no attempt, and the next ring begins another one."""

    async def scenario() -> None:
        play = Play(chunks=2)
        gate, began = asyncio.Event(), asyncio.Event()
        work = play.work

        async def slow(ring, claimed):
            if ring.batch_id == PLAN:
                began.set()
                await gate.wait()
            return await work(ring, claimed)

        play.work = slow
        async with Stage(temporal.address, play) as stage:
            await stage.bell.ring([ring_for(PLAN)])
            await asyncio.wait_for(began.wait(), 60)
            await (await stage.handle()).terminate("by hand")
            gate.set()
            await play.until(lambda: PLAN in play.done)
            await stage.bell.ring([ring_for(play.chunks[0])])
            await asyncio.wait_for((await stage.handle()).result(), 60)

        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_server_suggests_to_continue() -> None:
    """A server that allows few events only has the workflow continue as new when it says so."""
    program = dev_temporal.install() / "temporal"

    async def scenario() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        limits = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=40"]
        async with await WorkflowEnvironment.start_local(
            port=port, dev_server_existing_path=str(program), dev_server_extra_args=limits, dev_server_log_level="error"
        ):
            play = Play(chunks=60)
            async with Stage(f"127.0.0.1:{port}", play) as stage:
                await stage.begin(IngestOrder(message_id="m1", pipeline=PIPELINE, group=1, window=8))
                await play.until(lambda: len(play.done) == 61)
                runs = await stage.runs()

        assert len(runs) >= 3
        assert sorted(play.done) == sorted([PLAN, *play.chunks])

    asyncio.run(scenario())
