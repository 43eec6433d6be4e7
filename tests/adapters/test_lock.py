"""One engine per state folder: who is refused, who is waited for, and who only looks."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters import child
from millstream.adapters import lock as module
from millstream.adapters.lock import StateLock, running_engine
from millstream.errors import StateLockedError
from processes import started

HOLD = """
import os, pathlib, sys
from millstream.adapters.lock import StateLock

lock = StateLock(pathlib.Path(sys.argv[1]))
orphan = os.fork() if sys.argv[2:] == ["orphan"] else None
if orphan != 0:
    print(orphan or os.getpid(), flush=True)
sys.stdin.readline()
"""


@contextmanager
def engine(folder: Path, *words: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process that holds the lock until its standard input ends, and the process id that it says."""
    command = [sys.executable, "-c", HOLD, str(folder), *words]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, int(child.hear(process))
        process.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orphans get less time than usual."""
    monkeypatch.setattr(module, "ORPHANS_GET_S", 0.1)


def test_a_second_engine_is_refused_at_once(tmp_path: Path) -> None:
    """With the first one's process id, and what to do."""
    with engine(tmp_path) as (_, pid):
        began_s = time.monotonic()
        with pytest.raises(StateLockedError) as raised:
            StateLock(tmp_path)

        assert time.monotonic() - began_s < module.ORPHANS_GET_S / 2
        assert raised.value.pid == pid
        assert f"{tmp_path} is in use by the engine with process id {pid}; stop it first" in str(raised.value)


def test_the_lock_is_free_after_a_release_and_after_a_death(tmp_path: Path) -> None:
    """Nothing has to be cleaned up, however an engine ended."""
    StateLock(tmp_path).release()
    with engine(tmp_path) as (process, _):
        process.kill()
        process.wait()
        lock = StateLock(tmp_path)
        lock.release()

    assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_workers_of_a_dead_engine_are_waited_for(tmp_path: Path) -> None:
    """The lock is held until the last process that inherited it is gone, and the successor waits that long."""
    with engine(tmp_path, "orphan") as (process, orphan):
        process.kill()
        process.wait()
        ended = threading.Timer(0.2, os.kill, (orphan, signal.SIGKILL))
        began_s = time.monotonic()
        ended.start()
        StateLock(tmp_path).release()

        assert time.monotonic() - began_s >= 0.2


@pytest.mark.usefixtures("impatient")
def test_an_orphan_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """Then it is an error like that of a living engine."""
    with engine(tmp_path, "orphan") as (process, orphan):
        process.kill()
        process.wait()
        with pytest.raises(StateLockedError) as raised:
            StateLock(tmp_path)
        os.kill(orphan, signal.SIGKILL)

    assert raised.value.pid == process.pid


def test_a_look_is_no_engine(tmp_path: Path) -> None:
    """Commands look who holds the lock; one that does so just now does not stop an engine from starting."""
    looking, done = threading.Event(), threading.Event()

    def look() -> None:
        file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        module.fcntl.flock(file, module.fcntl.LOCK_SH)
        looking.set()
        done.wait(10)
        os.close(file)

    thread = threading.Thread(target=look)
    thread.start()
    looking.wait(10)
    ended = threading.Timer(0.1, done.set)
    ended.start()
    StateLock(tmp_path).release()
    thread.join()

    assert done.is_set()


def test_who_looks_learns_of_the_engine(tmp_path: Path) -> None:
    """Its process id while it runs, and nothing before and after."""
    before = running_engine(tmp_path)
    with engine(tmp_path) as (process, pid):
        during = running_engine(tmp_path)
        process.kill()
        process.wait()
        after = running_engine(tmp_path)

    assert (before, during, after) == (None, pid, None)


def test_who_looks_disturbs_nobody(tmp_path: Path) -> None:
    """Neither the engine that runs nor one that is started right after."""
    with engine(tmp_path):
        assert running_engine(tmp_path) == running_engine(tmp_path)
    for _ in range(20):
        running_engine(tmp_path)
        StateLock(tmp_path).release()


def test_hosts_inherit_it(tmp_path: Path) -> None:
    """A program that a worker starts with its descriptors keeps the folder locked as well."""
    lock = StateLock(tmp_path)
    with started([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]) as worker:
        lock.release()
        held = running_engine(tmp_path)
        worker.kill()
        worker.wait()

    assert held == os.getpid()
    assert running_engine(tmp_path) is None


@pytest.mark.usefixtures("impatient")
def test_somebody_elses_process_counts_as_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may not be looked at is not taken for a dead one."""

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    with engine(tmp_path) as (_, pid):
        monkeypatch.setattr(module.os, "kill", refuse)
        monkeypatch.setattr(module, "ORPHANS_GET_S", 1000.0)
        with pytest.raises(StateLockedError) as raised:
            StateLock(tmp_path)
        monkeypatch.undo()

    assert raised.value.pid == pid
