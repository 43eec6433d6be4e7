"""Servers that all tests of a session share, under pytest-xdist, too.

Theory of operation: the process that starts the session (the one that pytest-xdist starts its workers from) names a
folder in the environment, which its workers inherit. Whoever needs a server first starts it there, under a lock, and
the others find its record. The first process ends them all when the session ends; and since each server has that
process as its owner, it ends even if the session is killed.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dev.places import ServerError, locked
from dev.process import Running, find

FOLDER = "MILLSTREAM_TEST_SERVERS"
OWNER = "MILLSTREAM_TEST_OWNER"


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder, in the process that starts the session."""
    if not hasattr(config, "workerinput"):
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="millstream-test-servers-")
        os.environ[OWNER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    if not hasattr(config, "workerinput"):
        for running in [*find(folder()), *find(shared_folder())]:
            running.kill()
        shutil.rmtree(folder(), ignore_errors=True)


def folder() -> Path:
    """Where the servers of single tests have their folders."""
    return Path(os.environ[FOLDER])


def shared_folder() -> Path:
    """Where the servers of the whole session have theirs."""
    shared = folder() / "shared"
    shared.mkdir(exist_ok=True)
    return shared


def owner() -> int:
    """The process that servers of this session end with."""
    return int(os.environ[OWNER])


def shared(name: str, *, start: Callable[[], Running]) -> Running:
    """The session's server of that name, started if nobody did yet."""
    with locked(folder() / f"{name}.lock"):
        for running in find(shared_folder(), name=name):
            if running.is_alive:
                return running
        return had(start)


def had(start: Callable[[], Running]) -> Running:
    """Start a server; one that cannot be had here is a failure in CI, elsewhere the test is skipped."""
    try:
        return start()
    except ServerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
