"""One S3 server: moto, in a virtual environment of its own in the cache folder.

It keeps everything in memory: what is stopped or killed starts again empty. It checks no keys.
"""

import subprocess
import sys
from pathlib import Path

from dev.packages import run
from dev.places import ServerError, cache_folder, locked
from dev.process import Running, launch
from dev.starting import address_of, answers_http, in_a_new_folder

NAME = "s3"
VERSION = "5.2.5"
SERVE = "import sys; from moto.server import main; main(sys.argv[2:])"


def missing() -> str | None:
    """What this machine lacks, or None."""
    asked = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if asked.returncode == 0 or _python().exists():
        return None
    return "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"


def install() -> Path:
    """Put the server into the cache folder unless it is there; returns its folder."""
    home = _home()
    with locked(cache_folder() / f"{NAME}.lock"):
        lacking = missing()
        if lacking is not None:
            raise ServerError(f"{NAME}: {lacking}")
        if not (home / "ready").exists():
            run(sys.executable, "-m", "venv", "--clear", str(home), name=NAME)
            quiet = ("--quiet", "--disable-pip-version-check")
            run(str(_python()), "-m", "pip", "install", *quiet, f"moto[server]=={VERSION}", name=NAME)
            (home / "ready").touch()
    return home


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a server with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    install()

    def begin(folder: Path, ports: list[int]) -> Running:
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=1, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the server of that folder, at the address it had, empty."""
    return _launch(folder, address=address_of(folder), owner=owner)


def answers(address: str) -> bool:
    """Whether a server answers there."""
    return answers_http(address, "/moto-api/")


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    host, _, port = address.rpartition(":")
    return launch(
        [str(_python()), "-c", SERVE, str(folder), "-H", host, "-p", port],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def _home() -> Path:
    """A virtual environment belongs to one version of Python."""
    return cache_folder() / f"{NAME}-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"


def _python() -> Path:
    return _home() / "bin" / "python"
