"""One PostgreSQL server, from the programs that the system has.

Theory of operation: the server refuses to run as root, so root hands it to the user that its package brings, and
lets that user through to the folder. It listens on TCP only, trusts everybody on this machine, and has one role,
`mill`, and one database, `postgres`; tests make databases of their own. It is killed by its first process: the
others notice and end by themselves, and a start in between is repeated until they have.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import struct
import time
from pathlib import Path

from dev.packages import install_packages, may_install, run
from dev.places import ServerError
from dev.process import START_LIMIT_S, Running, find, launch
from dev.starting import address_of, in_a_new_folder

NAME = "postgres"
ROLE = "mill"
USER = "postgres"
PACKAGES = Path("/usr/lib/postgresql")
SETTINGS = """listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
restart_after_crash = on
log_min_messages = warning
"""
PROTOCOL = 3 << 16


def missing() -> str | None:
    """What this machine lacks, or None."""
    if _programs() is None:
        return "initdb and postgres not found; on Debian: apt-get install postgresql"
    if os.geteuid() == 0 and (shutil.which("setpriv") is None or not _has_user()):
        return f"root cannot run it, and there is no user {USER!r}, or no setpriv, to hand it to"
    return None


def install() -> Path:
    """Make sure that the programs are there; returns their folder."""
    if missing() is not None and may_install():
        install_packages(["postgresql"], name=NAME)
    lacking = missing()
    programs = _programs()
    if lacking is not None or programs is None:
        raise ServerError(f"{NAME}: {lacking}")
    return programs


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a server with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    programs = install()

    def begin(folder: Path, ports: list[int]) -> Running:
        _hand_over(folder)
        options = ("-D", "data", "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        run(*_as_user(), str(programs / "initdb"), *options, name=NAME, folder=folder)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(port=ports[0]))
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=1, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the server of that folder, at the address it had."""
    until = time.monotonic() + START_LIMIT_S
    while True:
        _collect(folder)
        try:
            return _launch(folder, address=address_of(folder), owner=owner)
        except ServerError:  # processes of its earlier life are about to end
            if time.monotonic() > until:
                raise


def answers(address: str) -> bool:
    """Whether a server answers there and lets people in: a session is begun."""
    host, _, port = address.rpartition(":")
    words = f"user\0{ROLE}\0database\0postgres\0\0".encode()
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(struct.pack(">ii", 8 + len(words), PROTOCOL) + words)
            return connection.recv(1) == b"R"
    except OSError:
        return False


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    programs = install()
    return launch(
        [*_as_user(), str(programs / "postgres"), "-D", str(folder / "data")],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
        farewell=signal.SIGINT,  # SIGTERM would wait for everybody who is connected
    )


def _collect(folder: Path) -> None:
    """Collect the process that ran there, if this one is its parent: until then it counts as running for the next."""
    for running in find(folder.parent, name=NAME):
        if running.folder == str(folder):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(running.pid, os.WNOHANG)


def _programs() -> Path | None:
    """The folder of the newest server there is."""
    versions = sorted(PACKAGES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None or not Path(found).resolve().with_name("postgres").exists():
        return None
    return Path(found).resolve().parent


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _as_user() -> list[str]:
    """The words that let root run a command as the server's user, in the same process."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--"] if os.geteuid() == 0 else []


def _hand_over(folder: Path) -> None:
    """Give the folder to the server's user, and let that user through to it."""
    if os.geteuid() != 0:
        return
    shutil.chown(folder, USER, USER)
    for above in folder.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
