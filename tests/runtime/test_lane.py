"""Handlers that crash, hang and leak: it costs their attempt, and nobody else anything."""

import asyncio
import ctypes
import faulthandler
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from millstream.core.model import Done, Retry
from millstream.errors import HandlerImportError, HostLostError
from millstream.runtime import host
from millstream.runtime import pool as pools
from millstream.runtime.nursery import Nursery
from millstream.runtime.pool import HostPool
from millstream.runtime.wire import Ended
from millstream.testing.pool_suite import PIPELINE, job, until
from runtime.hosts import lives, untraced, wait_until, with_host_pool


def pid_of_host(batch, context) -> Done:
    """A handler that tells where it runs."""
    return Done(str(os.getpid()))


def segfault() -> None:
    """Die at once, and without the words of pytest's fault handler."""
    faulthandler.disable()
    signal.raise_signal(signal.SIGSEGV)


# --- crashes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("die", "how"),
    [
        (lambda: os._exit(3), "exit status 3"),
        (segfault, "killed by SIGSEGV"),
        (lambda: signal.raise_signal(signal.SIGRTMIN + 1), f"killed by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_a_crash_of_a_lone_attempt_is_charged(tmp_path: Path, die, how):
    """An attempt whose host dies while it is alone in it is the culprit; a new host works on."""

    def handler(batch, context):
        if batch.id == "crash":
            die()

    async def scenario(pool):
        return await pool.run(job("crash")), await pool.run(job("next"))

    crashed, following = with_host_pool(handler, scenario, scratch=tmp_path)

    assert crashed.outcome == Retry(error=f"worker host died: {how}")
    assert (crashed.lost, crashed.charged, crashed.alone) == (True, True, False)
    assert following.outcome == Done()


def test_the_culprit_of_a_crash_is_found(tmp_path: Path):
    """Of several attempts in a host that dies none is charged; worked alone, only the culprit fails again."""

    def handler(batch, context):
        (tmp_path / batch.id).touch()
        while context.attempt == 1 and (batch.id != "culprit" or len(list(tmp_path.iterdir())) < 3):
            time.sleep(0.001)
        if batch.id == "culprit":
            segfault()
        return Done(str(os.getpid()))

    async def scenario(pool):
        names = ("culprit", "innocent", "bystander")
        first = await asyncio.gather(*(pool.run(job(name)) for name in names))
        again = await asyncio.gather(*(pool.run(job(name, attempt=2), alone=True) for name in names))
        together = await pool.run(job("other", attempt=2))
        return first, again, together

    first, again, together = with_host_pool(handler, scenario, scratch=tmp_path)

    error = "worker host died: killed by SIGSEGV while 3 attempts ran in it"
    assert {(result.outcome, result.charged, result.alone) for result in first} == {(Retry(error=error), False, True)}
    assert again[0].outcome == Retry(error="worker host died: killed by SIGSEGV")
    assert again[0].charged
    assert again[1].outcome == again[2].outcome != together.outcome
    assert isinstance(again[1].outcome, Done)


def test_a_host_for_suspects_is_kept_only_while_there_are_some(tmp_path: Path):
    """Suspects share a host one after the other; when the last has ended, the host ends too."""

    async def scenario(pool):
        pids = [
            result.outcome.detail
            for result in await asyncio.gather(*(pool.run(job(name), alone=True) for name in "abc"))
        ]
        await until(lambda: not lives(int(pids[0])))
        return pids, (await pool.run(job("d"), alone=True)).outcome.detail

    pids, later = with_host_pool(pid_of_host, scenario, scratch=tmp_path)

    assert len(set(pids)) == 1
    assert later not in pids


def test_what_was_done_before_a_crash_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Results that a host sent before it died are not lost, although the engine learns of all that at once."""
    tell = host._tell

    def tell_and_note(engine, message):
        tell(engine, message)
        if isinstance(message, Ended):
            (tmp_path / f"sent-{message.run}").touch()

    def handler(batch, context):
        (tmp_path / batch.id).write_text(str(os.getpid()))
        if batch.id == "crash":
            while len(list(tmp_path.glob("sent-*"))) < 3:
                time.sleep(0.001)
            segfault()

    monkeypatch.setattr(host, "_tell", tell_and_note)  # hosts are forked, so it is theirs, too

    async def scenario(pool):
        calls = [asyncio.ensure_future(pool.run(job(name))) for name in ("a", "b", "c", "crash")]
        pid = int(await until(lambda: (tmp_path / "crash").exists() and (tmp_path / "crash").read_text()))
        wait_until(lambda: not lives(pid))  # the event loop stands still
        return await asyncio.gather(*calls)

    *done, crashed = with_host_pool(handler, scenario, scratch=tmp_path)

    assert [result.outcome for result in done] == [Done()] * 3
    assert (crashed.lost, crashed.charged) == (True, True)


def test_a_crash_while_loading_is_a_start_up_error(tmp_path: Path):
    """A host that dies before it is ready makes the start fail, with how it died."""
    nursery = Nursery.start({PIPELINE: lambda: os._exit(7)}, readers={}, scratch=str(tmp_path))

    async def start():
        with pytest.raises(HandlerImportError, match=r"died while it loaded the handler \(exit status 7\)"):
            await HostPool(nursery, name=PIPELINE).start()

    with nursery:
        asyncio.run(start())


def test_a_host_that_cannot_be_replaced_is_tried_again(tmp_path: Path):
    """When loading fails for a replacement, attempts wait until it works again."""
    broken = tmp_path / "broken"
    tries = tmp_path / "tries"

    def make():
        with tries.open("a") as file:
            file.write(".")
        if broken.exists():
            raise OSError("no disk")
        return handler

    def handler(batch, context):
        if batch.id == "crash":
            broken.touch()
            os._exit(1)

    async def scenario(pool):
        await pool.start()
        await pool.run(job("crash"))
        waiting = asyncio.ensure_future(pool.run(job("next")))
        await until(lambda: len(tries.read_text()) >= 3)
        broken.unlink()
        result = await waiting
        await pool.stop()
        return result

    with Nursery.start({PIPELINE: make}, readers={}, scratch=str(tmp_path), is_quiet=True) as nursery:
        result = asyncio.run(scenario(HostPool(nursery, name=PIPELINE)))

    assert result.outcome == Done()


def test_a_lost_nursery_is_an_error(tmp_path: Path):
    """When the process that starts workers is killed, what runs, what waits and what comes raises HostLostError."""
    begun = tmp_path / "begun"

    def handler(batch, context):
        begun.write_text(str(os.getppid()))
        time.sleep(1000)

    async def scenario(pool):
        calls = [asyncio.ensure_future(pool.run(job(name))) for name in ("running", "waiting")]
        os.kill(int(await until(lambda: begun.exists() and begun.read_text())), signal.SIGKILL)
        await asyncio.wait(calls)
        return [call.exception() for call in calls] + await asyncio.gather(
            pool.run(job("late")), pool.run(job("later"), alone=True), return_exceptions=True
        )

    errors = with_host_pool(handler, scenario, scratch=tmp_path, slots=1)

    assert [type(error) for error in errors] == [HostLostError] * 4
    assert "is gone (killed by SIGKILL)" in str(errors[0])


# --- time-outs ------------------------------------------------------------------------------------------------


@untraced
def test_an_endless_loop_is_interrupted(tmp_path: Path):
    """A handler that computes for ever ends by its time-out, with one exception that it can clean up after."""
    cleaned = tmp_path / "cleaned"

    def handler(batch, context):
        if batch.id == "next":
            return Done(str(os.getpid()))
        try:
            while True:
                pass
        finally:
            cleaned.write_text(f"{os.getpid()} {context.cancelled}")

    async def scenario(pool):
        return await pool.run(job()), await pool.run(job("next"))

    endless, following = with_host_pool(handler, scenario, scratch=tmp_path, timeout_s=60, speed=300)

    assert endless.outcome == Retry(error="timed out after 1m")
    assert (endless.charged, endless.lost) == (True, False)
    assert cleaned.read_text() == f"{following.outcome.detail} True"


def test_an_async_handler_is_cancelled(tmp_path: Path):
    """An async handler that waits for ever is cancelled by its time-out, and its clean-up is waited for."""
    cleaned = tmp_path / "cleaned"

    async def handler(batch, context):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.touch()

    result = with_host_pool(handler, lambda pool: pool.run(job()), scratch=tmp_path, timeout_s=0.2)

    assert result.outcome == Retry(error="timed out after 200ms")
    assert cleaned.exists()


def test_what_a_handler_returns_after_its_time_does_not_count(tmp_path: Path):
    """A handler that notices the end of its time and just returns has not done its batch."""

    def handler(batch, context):
        while not context.cancelled:
            time.sleep(0.001)
        return Done("half of it")

    result = with_host_pool(handler, lambda pool: pool.run(job()), scratch=tmp_path, timeout_s=0.1)

    assert result.outcome == Retry(error="timed out after 100ms")


def stuck(begin):
    """Hears of nothing: the interrupt waits for the end of a call into C."""
    while True:
        with suppress(BaseException):
            begin()
            time.sleep(1_000_000)


def stubborn(begin):
    """Is interrupted and goes on."""
    while True:
        with suppress(BaseException):
            begin()
            while True:
                pass


async def deaf(begin):
    """Is cancelled and goes on."""
    while True:
        with suppress(asyncio.CancelledError):
            begin()
            await asyncio.sleep(1_000_000)


@untraced
@pytest.mark.parametrize("never_ends", [stuck, stubborn, deaf])
def test_a_stuck_attempt_ends_with_its_host_and_harms_nobody(tmp_path: Path, never_ends):
    """A handler that cannot be stopped is killed with its host, once its neighbours are done; a new host works on."""
    release = tmp_path / "release"

    def handler(batch, context):
        if batch.id == "stuck":
            return never_ends((tmp_path / "begun").touch)
        while batch.id == "neighbour" and not release.exists():
            time.sleep(0.001)
        return Done(str(os.getpid()))

    async def scenario(pool):
        stuck = asyncio.ensure_future(pool.run(job("stuck")))
        await until((tmp_path / "begun").exists)
        neighbour = asyncio.ensure_future(pool.run(job("neighbour")))
        old = (await pool.run(job("before"))).outcome.detail
        stuck.cancel()
        new = old
        while new == old:
            new = (await pool.run(job("after"))).outcome.detail
        assert not stuck.done()
        assert not neighbour.done()
        release.touch()
        result = await neighbour
        await asyncio.wait([stuck])
        return result.outcome.detail == old, lives(int(old))

    assert with_host_pool(handler, scenario, scratch=tmp_path, grace_s=0.2) == (True, False)


def test_a_stuck_attempt_that_timed_out_is_charged(tmp_path: Path):
    """A handler that is killed for its time-out has timed out; its host did not crash."""

    def handler(batch, context):
        stuck((tmp_path / "begun").touch)

    result = with_host_pool(handler, lambda pool: pool.run(job()), scratch=tmp_path, timeout_s=0.5, grace_s=0.1)

    assert result.outcome == Retry(error="timed out after 500ms")
    assert (result.charged, result.lost, result.alone) == (True, False, False)
    assert result.seconds >= 0.6


def test_a_handler_that_keeps_the_interpreter_to_itself_is_killed(tmp_path: Path):
    """C code that never lets go of the interpreter stops its neighbours too: all of them end by their time-outs."""

    def handler(batch, context):
        if batch.id == "next":
            return
        (tmp_path / batch.id).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.001)
        ctypes.PyDLL(None).sleep(1000)

    async def scenario(pool):
        return [*await asyncio.gather(pool.run(job("a")), pool.run(job("b"))), await pool.run(job("next"))]

    *stuck, following = with_host_pool(handler, scenario, scratch=tmp_path, timeout_s=1, grace_s=0.1)

    assert [result.outcome for result in stuck] == [Retry(error="timed out after 1s")] * 2
    assert following.outcome == Done()


def test_a_call_cancelled_again_and_again_still_waits(tmp_path: Path):
    """A call returns only when nothing of its attempt runs any more, however often it is cancelled."""
    begun = tmp_path / "begun"

    def handler(batch, context):
        stuck(lambda: begun.write_text(str(os.getpid())))

    async def scenario(pool):
        call = asyncio.ensure_future(pool.run(job()))
        pid = int(await until(lambda: begun.exists() and begun.read_text()))
        while not call.done():
            call.cancel()
            await asyncio.sleep(0.01)
        return call.cancelled(), lives(pid)

    assert with_host_pool(handler, scenario, scratch=tmp_path, grace_s=0.1) == (True, False)


# --- leaks ----------------------------------------------------------------------------------------------------


def test_a_host_that_leaks_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A host above its memory limit is replaced, without an attempt being lost."""
    monkeypatch.setattr(pools, "_MEMORY_CHECK_S", 0.02)
    leak = []

    def handler(batch, context):
        if batch.id == "leak":
            leak.append(b"x" * 300_000_000)
        return Done(str(os.getpid()))

    async def scenario(pool):
        old = new = (await pool.run(job("leak"))).outcome.detail
        results = []
        while new == old:
            results.append(await pool.run(job()))
            new = results[-1].outcome.detail
        await until(lambda: not lives(int(old)))
        return results

    results = with_host_pool(handler, scenario, scratch=tmp_path, max_host_bytes=250_000_000)

    assert {type(result.outcome) for result in results} == {Done}
