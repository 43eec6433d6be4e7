"""One Azurite, the emulator of Azure Blob Storage, from npm.

Its account is `devstoreaccount1`, with the key that all emulators share. Blobs lie in the folder of the server, so
it may be killed and started again.
"""

import shutil
import tempfile
from pathlib import Path

from dev.packages import install_packages, may_install, run
from dev.places import ServerError, cache_folder, locked
from dev.process import Running, launch
from dev.starting import address_of, answers_http, in_a_new_folder

NAME = "azurite"
VERSION = "3.35.0"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # public: no secret
OPTIONS = ("--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobHost", "127.0.0.1")


def missing() -> str | None:
    """What this machine lacks, or None."""
    lacking = [program for program in ("node", "npm") if shutil.which(program) is None]
    if not lacking or (_program().exists() and lacking == ["npm"]):
        return None
    return f"{' and '.join(lacking)} not found; on Debian: apt-get install nodejs npm"


def install() -> Path:
    """Put the emulator into the cache folder unless it is there; returns its folder."""
    home = _home()
    with locked(cache_folder() / f"{NAME}.lock"):
        if missing() is not None and may_install():
            install_packages(["nodejs", "npm"], name=NAME)
        lacking = missing()
        if lacking is not None:
            raise ServerError(f"{NAME}: {lacking}")
        if not home.is_dir():
            _fetch(home)
    return home


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start an emulator with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    install()

    def begin(folder: Path, ports: list[int]) -> Running:
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=1, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the emulator of that folder, at the address it had."""
    return _launch(folder, address=address_of(folder), owner=owner)


def answers(address: str) -> bool:
    """Whether an emulator answers there."""
    return answers_http(address, f"/{ACCOUNT}")


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    node = shutil.which("node")
    if node is None:
        raise ServerError(f"{NAME}: {missing()}")
    place = ("--blobPort", address.rpartition(":")[2], "--location", str(folder / "data"))
    return launch(
        [node, str(_program()), *OPTIONS, *place],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def _home() -> Path:
    return cache_folder() / f"{NAME}-{VERSION}"


def _program() -> Path:
    return _home() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def _fetch(target: Path) -> None:
    """Have npm install it, into place only when it is whole."""
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        draft = Path(name, "draft")
        draft.mkdir()
        options = ("--silent", "--no-audit", "--no-fund", "--prefix", str(draft))
        run("npm", "install", *options, f"azurite@{VERSION}", name=NAME, folder=draft)
        draft.rename(target)
