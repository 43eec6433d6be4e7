"""Nothing that an engine started outlives it."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.core.model import Done
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.testing.pool_suite import job, until
from processes import started
from runtime.hosts import lives, wait_until, with_host_pool

ENGINE = """
import asyncio, fcntl, os, subprocess
from dataclasses import replace
from millstream.core.model import Job, Kind
from millstream.runtime.command import CommandHandler
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool

def note(name, pid):
    with open(name + ".new", "w") as file:
        file.write(str(pid))
    os.rename(name + ".new", name)

script = "setsid sleep 1000 & echo $! > s; mv s stray; echo $$ > c; mv c command; wait"
command = CommandHandler(["sh", "-c", script])

def handler(batch, context):
    if batch.id == "command":
        return command(batch, context)
    note("host", os.getpid())
    note("nursery", os.getppid())
    note("child", subprocess.Popen(["sleep", "1000"]).pid)
    note("daemon", subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
    while True:
        pass

async def main(nursery):
    pool = HostPool(nursery, name="p")
    await pool.start()
    job = Job(id="loop", kind=Kind.MINIBATCH, pipeline="p", attempt=1, fence=1)
    await asyncio.gather(pool.run(job), pool.run(replace(job, id="command")))

lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
note("engine", os.getpid())
with Nursery.start({"p": lambda: handler}, readers={}, scratch=".") as nursery:
    asyncio.run(main(nursery))
"""
EVERYBODY = ("nursery", "host", "child", "daemon", "command", "stray")


def pids_of_workers(batch, context) -> Done:
    """A handler that tells where it runs."""
    return Done(f"{os.getppid()} {os.getpid()}")


def is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_everything_dies_with_the_engine_before_the_lock_is_free(tmp_path: Path, signum):
    """However an engine ends, no host, command or stray child is left by the time that the next one gets the lock."""
    with started([sys.executable, "-c", ENGINE], cwd=tmp_path) as engine:
        pids = [
            int(wait_until(lambda name=name: (tmp_path / name).exists() and (tmp_path / name).read_text()))
            for name in EVERYBODY
        ]
        assert not is_free(tmp_path / "lock")
        assert all(map(lives, pids))

        engine.send_signal(signum)
    wait_until(lambda: is_free(tmp_path / "lock"))

    nursery, *others = pids
    assert [name for name, pid in zip(EVERYBODY[1:], others, strict=True) if lives(pid)] == []
    wait_until(lambda: not lives(nursery))  # it let go of the lock by ending


def test_hosts_die_with_the_nursery(tmp_path: Path):
    """When the nursery itself is killed, its hosts die too, although nobody is left to kill them."""

    async def scenario(pool):
        nursery, host = (int(pid) for pid in (await pool.run(job())).outcome.detail.split())
        os.kill(nursery, signal.SIGKILL)
        await until(lambda: not lives(host))

    with_host_pool(pids_of_workers, scenario, scratch=tmp_path)


def test_signals_for_everybody_are_for_the_engine_alone(tmp_path: Path):
    """Nursery and hosts outlive a SIGINT or SIGTERM that an operator sent to the whole service: the engine drains."""

    async def scenario(pool):
        pids = [int(pid) for pid in (await pool.run(job())).outcome.detail.split()]
        for signum in (signal.SIGINT, signal.SIGTERM):
            for pid in pids:
                os.kill(pid, signum)
        return pids, [int(pid) for pid in (await pool.run(job())).outcome.detail.split()]

    before, after = with_host_pool(pids_of_workers, scenario, scratch=tmp_path)

    assert before == after
    assert not any(map(lives, before))


def test_commands_and_children_of_handlers_can_be_terminated(tmp_path: Path):
    """What a handler starts does not inherit that hosts ignore SIGTERM."""

    def handler(batch, context):
        child = subprocess.Popen(["sleep", "1000"])
        child.terminate()
        return Done(str(child.wait()))

    result = with_host_pool(handler, lambda pool: pool.run(job()), scratch=tmp_path)

    assert result.outcome == Done(str(-signal.SIGTERM))


def test_workers_give_way_to_the_engine(tmp_path: Path):
    """Hosts run with a lower priority than the engine, and are what the kernel kills first."""

    def handler(batch, context):
        return Done(f"{os.nice(0)} {Path('/proc/self/oom_score_adj').read_text()}")

    result = with_host_pool(handler, lambda pool: pool.run(job()), scratch=tmp_path)

    assert result.outcome == Done(f"{os.nice(0) + 5} 500")


def test_several_pools_share_a_nursery(tmp_path: Path):
    """Every pipeline has a pool and a handler of its own."""
    makers = {name: lambda name=name: lambda batch, context: Done(name) for name in ("clicks", "nightly")}

    async def main(nursery):
        pools = [HostPool(nursery, name=name) for name in makers]
        await asyncio.gather(*(pool.start() for pool in pools))
        results = [await pool.run(job()) for pool in pools]
        await asyncio.gather(*(pool.stop() for pool in pools))
        return [result.outcome.detail for result in results]

    with Nursery.start(makers, readers={}, scratch=str(tmp_path)) as nursery:
        assert asyncio.run(main(nursery)) == ["clicks", "nightly"]


def test_closing_may_be_repeated(tmp_path: Path):
    """A nursery that was closed, or lost before, can be closed again."""
    nursery = Nursery.start({}, readers={}, scratch=str(tmp_path))

    nursery.close()
    nursery.close()
