"""Runs a function of a test module in a process of its own, on a disk of its own if need be."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

CALL = "import importlib, pathlib, sys; getattr(importlib.import_module(sys.argv[1]), sys.argv[2])(pathlib.Path(sys.argv[3]))"
NEW_MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
ON_A_DISK = [*NEW_MOUNTS, "sh", "-c", 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"']
TIMEOUT_S = 60


def command(function: Callable[[Path], None], *, folder: Path) -> list[str]:
    """The command line that calls `function(folder)`."""
    return [sys.executable, "-W", "error", "-c", CALL, function.__module__, function.__name__, str(folder)]


def start(function: Callable[[Path], None], *, folder: Path) -> "subprocess.Popen[str]":
    """Start `function(folder)`; its output can be read while it runs."""
    return subprocess.Popen(
        command(function, folder=folder), stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )


def run(function: Callable[[Path], None], *, folder: Path, before: list[str] | None = None) -> None:
    """Run `function(folder)` to its end, which must be a good one."""
    ended = subprocess.run(
        [*(before or []), *command(function, folder=folder)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def run_on_a_small_disk(function: Callable[[Path], None], *, folder: Path, size_bytes: int) -> None:
    """Run `function(folder)` where a disk of `size_bytes` is mounted on `folder`; skips where nothing can be mounted."""
    if not can_mount():
        pytest.skip("a small disk can be mounted by root or in a user namespace only")
    run(function, folder=folder, before=[*ON_A_DISK, str(size_bytes), str(folder)])


@cache
def can_mount() -> bool:
    """Whether this process may mount a disk that nobody else sees."""
    tried = subprocess.run([*ON_A_DISK, "4k", "/tmp", "true"], capture_output=True, check=False)
    return tried.returncode == 0
