"""A session of tests comes to its end, and says what failed on the way."""

import subprocess
import sys
from pathlib import Path

CONFTEST = """
import watchdog
watchdog.GRACE_S = 1.0
pytest_plugins = ("watchdog",)
"""
WAITS_AFTER_A_FAILURE = """
import time, pytest

@pytest.fixture
def waits():
    yield
    time.sleep(1000)

@pytest.mark.timeout(1)
def test_that_fails(waits):
    assert "found" == "expected"
"""
CLEANS_UP_FOR_EVER = """
import time, pytest

@pytest.mark.timeout(1)
def test_that_waits():
    try:
        time.sleep(1000)
    finally:
        time.sleep(1000)
"""
HEARS_INTERRUPTS = """
import signal, subprocess, sys

def test_of_an_interrupt():
    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(1000)"], stdout=-1)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait() != 0
"""


def session(folder: Path, tests: str, *before: str) -> "subprocess.CompletedProcess[str]":
    """A session of its own; what stands before is put before its command."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(tests)
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", "20", "-c", str(folder / "pytest.ini")]
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {Path(__file__).parent}\n")
    command = [*before, sys.executable, "-m", "pytest", *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


def test_a_fixture_that_waits_after_a_failure_ends_the_process(tmp_path: Path) -> None:
    """The failure was told before, and standard error says where each thread was."""
    done = session(tmp_path, WAITS_AFTER_A_FAILURE)

    assert done.returncode == 1
    assert "FAILED test_it.py::test_that_fails (call): AssertionError: assert 'found' == 'expected'" in done.stdout
    assert "in waits" in done.stderr


def test_a_test_that_goes_on_after_its_interruption_ends_the_process(tmp_path: Path) -> None:
    """It cleans up, and waits for what does not come."""
    done = session(tmp_path, CLEANS_UP_FOR_EVER)

    assert done.returncode == 1
    assert "in test_that_waits" in done.stderr


def test_interrupts_are_heard_in_the_background(tmp_path: Path) -> None:
    """What a shell without job control starts with `&` ignores them, and so would all that it starts."""
    ignored = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = session(tmp_path, HEARS_INTERRUPTS, sys.executable, "-c", ignored)

    assert done.returncode == 0, done.stdout
