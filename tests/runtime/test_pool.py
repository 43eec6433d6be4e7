"""What every pool does, and what the one of real processes does beyond that while nothing goes wrong."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from millstream.core.model import Discard, Done, Retry
from millstream.errors import HandlerImportError
from millstream.ports import Pool
from millstream.runtime.batch import Handler
from millstream.runtime.inline import InlinePool
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from runtime.hosts import PATIENCE_S, PIPELINE, bucket, job, listed, until, with_host_pool

T = TypeVar("T")
Play = Callable[[Handler, Callable[[Pool], Awaitable[T]]], T]


def read_two(log, ranges):
    del log, ranges
    yield b"one\ntw"
    yield b"o\n"


@pytest.fixture(params=["hosts", "inline"])
def play(request, tmp_path: Path) -> Play:
    """Plays a scenario with a started pool of one kind."""

    def inline(handler, scenario):
        async def main():
            pool = InlinePool(lambda: handler, name=PIPELINE, read=read_two, scratch=str(tmp_path))
            await pool.start()
            try:
                return await asyncio.wait_for(scenario(pool), PATIENCE_S)
            finally:
                await pool.stop()

        return asyncio.run(main())

    def hosts(handler, scenario):
        return with_host_pool(handler, scenario, scratch=tmp_path, read=read_two)

    return {"hosts": hosts, "inline": inline}[request.param]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, Done()),
        (Done("42 rows"), Done("42 rows")),
        (Retry(after_s=3, error="busy"), Retry(after_s=3.0, error="busy")),
        (Discard("not ours"), Discard("not ours")),
    ],
)
def test_outcomes_come_back(play: Play, outcome, expected):
    """What a handler says of its batch is the outcome of the attempt."""
    result = play(lambda batch, context: outcome, lambda pool: pool.run(job()))

    assert result.outcome == expected
    assert (result.charged, result.lost, result.alone) == (True, False, False)
    assert result.seconds >= 0


def test_a_failure_costs_the_attempt_only(play: Play, caplog: pytest.LogCaptureFixture):
    """An exception, even SystemExit or one that is no UTF-8, fails its attempt; the next one works."""
    caplog.set_level(logging.CRITICAL, "millstream")  # pytest-xdist cannot pass on what is no UTF-8

    def handler(batch, context):
        raise {"b1": ValueError("no"), "b2": SystemExit(3), "b3": OSError("\udcff")}.get(batch.id, KeyboardInterrupt())

    async def scenario(pool):
        return [(await pool.run(job(f"b{number}"))).outcome for number in (1, 2, 3, 4)]

    outcomes = play(handler, scenario)

    assert outcomes == [
        Retry(error="ValueError: no"),
        Retry(error="SystemExit: 3"),
        Retry(error="OSError: \\udcff"),
        Retry(error="KeyboardInterrupt"),
    ]


def test_the_same_failures_of_async_handlers(play: Play):
    """An async handler that raises, SystemExit included, fails its attempt; the event loop goes on."""

    async def handler(batch, context):
        await asyncio.sleep(0)
        raise SystemExit(3) if batch.id == "b1" else ValueError("no")

    async def scenario(pool):
        return [(await pool.run(job(name))).outcome for name in ("b1", "b2")]

    assert play(handler, scenario) == [Retry(error="SystemExit: 3"), Retry(error="ValueError: no")]


def test_a_handler_sees_its_batch(play: Play):
    """A handler reads the records of its batch and knows batch and attempt."""

    def handler(batch, context):
        return Done(f"{batch.id} {context.batch_id} {context.attempt} {batch.key} {list(batch)!r}")

    work = job("b7", attempt=3, key="k", size_bytes=8, checksum=zlib.crc32(b"one\ntwo\n"), records=2)
    result = play(handler, lambda pool: pool.run(work))

    assert result.outcome == Done("b7 b7 3 k [b'one', b'two']")


def test_files_come_back_with_checksums_or_evictions(play: Play, tmp_path: Path):
    """A bucket's files are sealed when they are done, and named when they are not what was listed."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    stale = listed(path)
    path.write_bytes(b"xy")

    async def scenario(pool):
        return await pool.run(bucket(listed(path))), await pool.run(bucket(stale))

    sealed, evicted = play(lambda batch, context: None, scenario)

    assert list(sealed.checksums) == [str(path)]
    assert [eviction.current for eviction in evicted.evictions] == [listed(path)]
    assert not evicted.charged


def test_async_attempts_run_at_the_same_time(play: Play):
    """As many async attempts as there are slots run at once, in one event loop."""
    everybody = asyncio.Barrier(10)

    async def handler(batch, context):
        await everybody.wait()

    async def scenario(pool):
        return await asyncio.gather(*(pool.run(job(f"b{number}")) for number in range(10)))

    results = play(handler, scenario)

    assert [result.outcome for result in results] == [Done()] * 10


def test_stop_ends_everything_as_lost(play: Play, tmp_path: Path):
    """Stopping ends what runs and what waits, uncharged; it may be called again, and nothing runs any more after."""
    sign = tmp_path / "begun"

    async def handler(batch, context):
        sign.touch()
        await asyncio.Event().wait()

    async def scenario(pool):
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(pool.run(job(f"b{number}"))) for number in range(12)]
            await until(sign.exists)
            await asyncio.gather(pool.stop(), pool.stop())
        await pool.stop()
        return [task.result() for task in running] + [await pool.run(job("late"))]

    results = play(handler, scenario)

    assert {(result.outcome, result.charged, result.lost) for result in results} == {
        (Retry(error="the workers were stopped"), False, True)
    }


def test_cancelling_a_call_ends_its_attempt(play: Play, tmp_path: Path):
    """A cancelled call returns when its attempt has ended, and the pool works on."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"

    async def handler(batch, context):
        if batch.id == "next":
            return
        begun.touch()
        try:
            await asyncio.Event().wait()
        finally:
            assert context.cancelled
            ended.touch()

    async def scenario(pool):
        running = asyncio.ensure_future(pool.run(job()))
        await until(begun.exists)
        running.cancel()
        await asyncio.wait([running])
        return running.cancelled(), ended.exists(), (await pool.run(job("next"))).outcome

    assert play(handler, scenario) == (True, True, Done())


@pytest.mark.parametrize("kind", ["hosts", "inline"])
def test_a_handler_that_cannot_be_loaded_is_a_start_up_error(kind, tmp_path: Path):
    """A pool whose handler cannot be imported does not start, and says why."""

    def make():
        import a_module_that_does_not_exist  # noqa: F401,PLC0415

    async def start(pool):
        with pytest.raises(HandlerImportError, match="'p': ModuleNotFoundError: No module named 'a_mod"):
            await pool.start()

    if kind == "inline":
        asyncio.run(start(InlinePool(make, name=PIPELINE)))
    else:
        with Nursery.start({PIPELINE: make}, readers={}, scratch=str(tmp_path)) as nursery:
            asyncio.run(start(HostPool(nursery, name=PIPELINE)))


def test_sync_attempts_run_at_the_same_time(tmp_path: Path):
    """Ten sync attempts run at once in one host, by default."""
    everybody = threading.Barrier(10)

    def handler(batch, context):
        everybody.wait(PATIENCE_S)
        return Done(str(os.getpid()))

    async def scenario(pool):
        return await asyncio.gather(*(pool.run(job(f"b{number}")) for number in range(20)))

    results = with_host_pool(handler, scenario, scratch=tmp_path)

    assert len({result.outcome for result in results}) == 1


def test_slots_are_spread_over_processes(tmp_path: Path):
    """Slots are shared evenly by the hosts, and attempts go to the least loaded one."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()

    def handler(batch, context):
        (meeting / f"{batch.id}-{os.getpid()}").touch()
        while len(list(meeting.iterdir())) < 5:
            pass

    async def scenario(pool):
        await asyncio.gather(*(pool.run(job(f"b{number}")) for number in range(5)))
        hosts = [path.name.split("-")[1] for path in meeting.iterdir()]
        return sorted(hosts.count(host) for host in set(hosts))

    assert with_host_pool(handler, scenario, scratch=tmp_path, slots=5, processes=3) == [1, 2, 2]


def test_attempts_wait_in_order(tmp_path: Path):
    """Attempts that find no free slot get one in the order in which they came."""
    order = tmp_path / "order"

    def handler(batch, context):
        with order.open("a") as file:
            file.write(batch.id)

    async def scenario(pool):
        await asyncio.gather(*(pool.run(job(name)) for name in "edcba"))

    with_host_pool(handler, scenario, scratch=tmp_path, slots=1)

    assert order.read_text() == "edcba"


def test_a_call_that_is_cancelled_while_it_waits_never_runs(tmp_path: Path):
    """A cancelled call that has no slot yet leaves the queue."""
    release = tmp_path / "release"

    def handler(batch, context):
        while batch.id == "first" and not release.exists():
            pass
        (tmp_path / f"{batch.id}.worked").touch()

    async def scenario(pool):
        first, second, third = (asyncio.ensure_future(pool.run(job(name))) for name in ("first", "second", "third"))
        await asyncio.sleep(0)  # all are in the queue
        second.cancel()
        await asyncio.wait([second])
        release.touch()
        await asyncio.gather(first, third)

    with_host_pool(handler, scenario, scratch=tmp_path, slots=1)

    assert sorted(path.stem for path in tmp_path.glob("*.worked")) == ["first", "third"]


def test_large_jobs_travel(tmp_path: Path):
    """A bucket of very many files is larger than a socket's buffer, in both directions."""
    path = tmp_path / "a"
    path.touch()
    gone = [listed(path)] * 5_000
    path.unlink()

    async def scenario(pool):
        return await asyncio.gather(*(pool.run(bucket(*gone)) for _ in range(4)))

    results = with_host_pool(lambda batch, context: None, scenario, scratch=tmp_path)

    assert [len(result.evictions) for result in results] == [5_000] * 4


def test_what_a_handler_prints_stays_out_of_standard_output():
    """Standard output belongs to the engine; what handlers print goes to standard error at once."""
    program = """
import asyncio, os, sys
from millstream.core.model import Job, Kind
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool

def handler(batch, context):
    print("printed")
    os.system("echo echoed")
    assert sys.stdin.read() == ""

async def main(nursery):
    pool = HostPool(nursery, name="p")
    await pool.start()
    print((await pool.run(Job(id="b", kind=Kind.MINIBATCH, pipeline="p", attempt=1, fence=1))).outcome)
    await pool.stop()

with Nursery.start({"p": lambda: handler}, readers={}, scratch="") as nursery:
    asyncio.run(main(nursery))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], input="for the engine", capture_output=True, text=True, timeout=30, check=True
    )

    assert ran.stdout == "Done(detail='')\n"
    assert ran.stderr == "printed\nechoed\n"
