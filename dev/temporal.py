"""One Temporal development server, built from source by Go, because no registry has it ready.

Theory of operation: `install` builds the command line tool, which contains the server, into the cache folder; that
takes minutes, once. A server keeps its state in one SQLite file of its folder, so it may be killed and started again.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.packages import run
from dev.places import ServerError, cache_folder, locked
from dev.process import Running, launch
from dev.starting import address_of, in_a_new_folder

NAME = "temporal"
VERSION = "1.5.1"
MODULE = f"github.com/temporalio/cli/cmd/temporal@v{VERSION}"
NAMESPACE = "default"


def missing() -> str | None:
    """What this machine lacks, or None."""
    if _program().exists() or shutil.which("go") is not None:
        return None
    return "go not found, which builds it: install Go 1.25 or newer (the one of Debian 12 is too old)"


def install() -> Path:
    """Build the server into the cache folder unless it is there; returns its folder."""
    program = _program()
    with locked(cache_folder() / f"{NAME}.lock"):
        lacking = missing()
        if lacking is not None:
            raise ServerError(f"{NAME}: {lacking}")
        if not program.exists():
            _build(program.parent)
    return program.parent


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a server with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    install()

    def begin(folder: Path, ports: list[int]) -> Running:
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=1, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the server of that folder, at the address it had."""
    return _launch(folder, address=address_of(folder), owner=owner)


def answers(address: str) -> bool:
    """Whether a server answers there: it is asked for its namespace."""
    question = ("operator", "namespace", "describe", "--namespace", NAMESPACE, "--address", address)
    limits = ("--client-connect-timeout", "1s", "--command-timeout", "2s")
    asked = subprocess.run([str(_program()), *question, *limits], capture_output=True, check=False)
    return asked.returncode == 0


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    options = ("--headless", "--log-level", "error", "--db-filename", str(folder / "temporal.db"))
    place = ("--ip", "127.0.0.1", "--port", address.rpartition(":")[2])
    return launch(
        [str(_program()), "server", "start-dev", *place, *options],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def _program() -> Path:
    return cache_folder() / f"{NAME}-{VERSION}" / "temporal"


def _build(target: Path) -> None:
    """Have Go build it, into place only when it is whole; others may use the machine meanwhile."""
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        words = (f"GOBIN={name}/bin", "CGO_ENABLED=0", "GOTOOLCHAIN=local", "nice", "go", "install", MODULE)
        run("env", *words, name=NAME)
        Path(name, "bin").rename(target)
