"""What every pool does, and what the one of real processes does beyond that while nothing goes wrong."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypeVar

from millstream.core.model import Done
from millstream.runtime.batch import MakeHandler
from millstream.runtime.inline import InlinePool
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.testing.pool_suite import (
    PATIENCE_S,
    PIPELINE,
    SLOTS,
    PoolSuite,
    Scenario,
    bucket,
    job,
    listed,
    read_two,
)
from runtime.hosts import with_host_pool

T = TypeVar("T")


class TestHostPool(PoolSuite):
    """It is a pool."""

    def run_with_pool(self, make: MakeHandler, scenario: Scenario[T], *, scratch: Path) -> T:
        """One of real processes."""
        with Nursery.start({PIPELINE: make}, readers={PIPELINE: read_two}, scratch=str(scratch)) as nursery:

            async def play() -> T:
                return await scenario(HostPool(nursery, name=PIPELINE, slots=SLOTS))

            return asyncio.run(play())


class TestInlinePool(PoolSuite):
    """It is a pool."""

    def run_with_pool(self, make: MakeHandler, scenario: Scenario[T], *, scratch: Path) -> T:
        """One in the event loop itself."""

        async def play() -> T:
            return await scenario(InlinePool(make, name=PIPELINE, slots=SLOTS, read=read_two, scratch=str(scratch)))

        return asyncio.run(play())


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
