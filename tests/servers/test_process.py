"""Servers as processes: found again by others, ended by process id, and with their owner."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from dev.places import ServerError, free_ports
from dev.process import Running, find, launch, wait_until

SLEEP = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'ready').touch(); time.sleep(600)"
FAIL = "import sys; sys.exit('no room left')"


def started(root: Path, *, program: str = SLEEP, owner: int | None = None) -> Running:
    """A server that only sleeps."""
    folder = root / "sleeper-1"
    folder.mkdir()
    command = [sys.executable, "-c", program, str(folder)]
    return launch(
        command,
        name="sleeper",
        folder=folder,
        address="127.0.0.1:1",
        is_ready=(folder / "ready").exists,
        owner=owner,
    )


def test_a_server_is_found_and_stopped_by_somebody_else(tmp_path: Path) -> None:
    """Its record in the folder is enough to end it; ending it twice is fine."""
    running = started(tmp_path)

    (found,) = find(tmp_path, name="sleeper")
    was_alive = found.is_alive
    found.stop()
    found.stop()

    assert found == running
    assert was_alive
    assert not running.is_alive


def test_a_process_that_is_no_such_server_is_left_alone(tmp_path: Path) -> None:
    """A process id that went to somebody else since is not taken for the server."""
    running = started(tmp_path)
    stranger = dataclasses.replace(running, folder="/somewhere/else")

    stranger.kill()

    assert not stranger.is_alive
    assert running.is_alive
    running.kill()


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    """What it wrote last is the error."""
    with pytest.raises(ServerError, match="sleeper: it does not start: no room left"):
        started(tmp_path, program=FAIL)
    assert find(tmp_path) == []


def test_a_server_ends_with_its_owner(tmp_path: Path) -> None:
    """When the owner was killed, the server ends soon, and its folder is deleted."""
    with subprocess.Popen([sys.executable, "-c", SLEEP, str(tmp_path)]) as owner:
        running = started(tmp_path, owner=owner.pid)
        owner.kill()

    assert wait_until(lambda: not Path(running.folder).exists(), limit_s=20)
    assert not running.is_alive


def test_free_ports_are_different() -> None:
    """Ports that are asked for together are not the same."""
    assert len(set(free_ports(10))) == 10
