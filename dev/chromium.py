"""One Chromium without a window, that tests drive through its own protocol (`playwright` connects to its address).

It asks nobody anything: no updates, no telemetry, no safe browsing. Its profile lies in the folder of the server.
"""

import os
import shutil
from pathlib import Path

from dev.packages import install_packages, may_install
from dev.places import ServerError
from dev.process import Running, launch
from dev.starting import address_of, answers_http, in_a_new_folder

NAME = "chromium"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-address=127.0.0.1",
    "--remote-allow-origins=*",
)


def missing() -> str | None:
    """What this machine lacks, or None."""
    return None if _program() is not None else "no Chromium found; on Debian: apt-get install chromium"


def install() -> Path:
    """Make sure that there is one; returns the program."""
    if missing() is not None and may_install():
        install_packages(["chromium"], name=NAME)
    program = _program()
    if program is None:
        raise ServerError(f"{NAME}: {missing()}")
    return program


def options() -> list[str]:
    """How it is started here; for root it must do without a sandbox."""
    return [*OPTIONS, "--no-sandbox"] if os.geteuid() == 0 else list(OPTIONS)


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a browser with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    install()

    def begin(folder: Path, ports: list[int]) -> Running:
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=1, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the browser of that folder, at the address it had."""
    return _launch(folder, address=address_of(folder), owner=owner)


def answers(address: str) -> bool:
    """Whether a browser answers there."""
    return answers_http(address, "/json/version")


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    place = (f"--user-data-dir={folder / 'profile'}", f"--remote-debugging-port={address.rpartition(':')[2]}")
    return launch(
        [str(install()), *options(), *place, "about:blank"],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def _program() -> Path | None:
    found = next((path for path in map(shutil.which, PROGRAMS) if path), None)
    return None if found is None else Path(found)
