"""What servers are installed from: Debian packages and the clients of registries."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from dev.places import ServerError, cache_folder, locked

POLICY = Path("/usr/sbin/policy-rc.d")


def may_install() -> bool:
    """Whether Debian packages may be installed here: by root in CI, where nobody minds."""
    return bool(os.environ.get("CI")) and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(packages: Sequence[str], *, name: str) -> None:
    """Install Debian packages without starting what they bring; asks for new lists only when it must."""
    command = ("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
    with locked(cache_folder() / "apt.lock"), _nothing_starts():
        try:
            run(*command, name=name)
        except ServerError:
            run("apt-get", "update", "-q", name=name)
            run(*command, name=name)


def run(*command: str, name: str, folder: Path | None = None) -> None:
    """Run a command to its end; what it said first becomes the error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise ServerError(f"{name}: {command[0]} failed: {said[0] if said else f'exit code {done.returncode}'}")


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """Keep packages from starting their servers at the usual ports: Debian asks this program."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
