"""Runs a function of a test module in a process of its own, on a disk of its own if need be."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

Work = Callable[[Path], None]

TESTS = Path(__file__).parent.parent
CALL = """
import importlib, pathlib, sys
tests, module, name, folder = sys.argv[1:]
sys.path.insert(0, tests)
getattr(importlib.import_module(module), name)(pathlib.Path(folder))
"""
NEW_MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
ON_A_DISK = [*NEW_MOUNTS, "sh", "-c", 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"']
TIMEOUT_S = 60


def command(work: Work, folder: Path) -> list[str]:
    """The command line that calls `work(folder)`."""
    module = Path(work.__code__.co_filename).relative_to(TESTS).with_suffix("")
    return [sys.executable, "-W", "error", "-c", CALL, str(TESTS), ".".join(module.parts), work.__name__, str(folder)]


def start(work: Work, *, folder: Path) -> "subprocess.Popen[str]":
    """Start `work(folder)` and talk with it line by line."""
    return subprocess.Popen(command(work, folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(process: "subprocess.Popen[str]", line: str) -> None:
    """Send a line to a process that was started."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> str:
    """The next line that a process says, without its end."""
    assert process.stdout is not None
    return process.stdout.readline().removesuffix("\n")


def run(work: Work, *, folder: Path, before: Sequence[str] = ()) -> None:
    """Run `work(folder)`, after the words `before`, to its end, which must be a good one."""
    ended = subprocess.run(
        [*before, *command(work, folder)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert ended.returncode == 0, ended.stderr


def run_on_a_small_disk(work: Work, *, folder: Path, size_bytes: int) -> None:
    """Run `work(folder)` with a disk of `size_bytes` mounted on `folder`; skips where none can be, in CI it fails."""
    if not can_mount():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("only root, or a user with user namespaces, can mount a small disk")
    run(work, folder=folder, before=[*ON_A_DISK, str(size_bytes), str(folder)])


@cache
def can_mount() -> bool:
    """Whether this process may mount a disk that nobody else sees."""
    return subprocess.run([*ON_A_DISK, "4k", "/tmp", "true"], capture_output=True, check=False).returncode == 0
