"""One RabbitMQ node, from the programs that the system has.

Theory of operation: a node needs a name server, `epmd`, which it would start itself, for all nodes of the machine, and
leave behind. Here each node has one of its own at a port of its own, that ends with it; so all nodes may have the
same name, under which they find their data again. The shell that starts both becomes the node, so the process id
stays.
"""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from dev.packages import install_packages, may_install
from dev.places import ServerError
from dev.process import STOP_LIMIT_S, Running, launch, wait_until
from dev.starting import address_of, in_a_new_folder

NAME = "rabbitmq"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
WATCH = Path(__file__).with_name("watch.py")
GREETING = b"AMQP\x00\x00\x09\x01"
SETTINGS = """listeners.tcp.1 = 127.0.0.1:{port}
log.file = false
log.console = true
log.console.level = warning
disk_free_limit.absolute = 50MB
"""
ENVIRONMENT = """export HOME='{folder}'
export RUNNING_UNDER_SYSTEMD=true
export RABBITMQ_CONF_ENV_FILE='{folder}/none.conf'
export RABBITMQ_CONFIG_FILE='{folder}/rabbitmq.conf'
export RABBITMQ_ADVANCED_CONFIG_FILE='{folder}/none.config'
export RABBITMQ_GENERATED_CONFIG_DIR='{folder}/generated'
export RABBITMQ_ENABLED_PLUGINS_FILE='{folder}/plugins'
export RABBITMQ_NODENAME=mill@localhost
export RABBITMQ_MNESIA_BASE='{folder}/data'
export RABBITMQ_QUORUM_DIR='{folder}/data/quorum'
export RABBITMQ_STREAM_DIR='{folder}/data/stream'
export RABBITMQ_FEATURE_FLAGS_FILE='{folder}/data/flags'
export RABBITMQ_LOG_BASE='{folder}/log'
export RABBITMQ_LOGS=-
export RABBITMQ_PID_FILE='{folder}/pid'
export RABBITMQ_DIST_PORT={distribution}
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {{127,0,0,1}}'
export ERL_EPMD_ADDRESS=127.0.0.1
export ERL_EPMD_PORT={names}
export ERL_CRASH_DUMP=/dev/null
"""
NODE = """. '{folder}/environment'
'{epmd}' </dev/null >/dev/null 2>&1 &
names=$!
'{python}' '{watch}' $$ $names '{folder}/epmd' </dev/null >/dev/null 2>&1 &
until '{epmd}' -names >/dev/null 2>&1; do
    kill -0 $names || exit 1
    sleep 0.05
done
exec '{server}'
"""


def missing() -> str | None:
    """What this machine lacks, or None."""
    if _program("rabbitmq-server") is None or _epmd() is None:
        return "rabbitmq-server or epmd not found; on Debian: apt-get install rabbitmq-server"
    return None


def install() -> Path:
    """Make sure that the programs are there; returns their folder."""
    if missing() is not None and may_install():
        install_packages(["rabbitmq-server"], name=NAME)
    lacking, server = missing(), _program("rabbitmq-server")
    if lacking is not None or server is None:
        raise ServerError(f"{NAME}: {lacking}")
    return server.parent


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a node with a folder of its own in `root`; ends with the process `owner`, if there is one.

    Its user is `guest` with the password `guest`.
    """
    install()

    def begin(folder: Path, ports: list[int]) -> Running:
        _configure(folder, ports)
        return _launch(folder, address=f"127.0.0.1:{ports[0]}", owner=owner)

    return in_a_new_folder(NAME, root=root, ports=3, port=port, begin=begin)


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the node of that folder, at the address it had."""
    return _launch(folder, address=address_of(folder), owner=owner)


def answers(address: str) -> bool:
    """Whether a node answers there: it is greeted, and begins to open a connection."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(GREETING)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def forgets_names(folder: Path) -> bool:
    """Whether the name server of that folder is gone, which ends soon after its node."""
    port = re.search(r"ERL_EPMD_PORT=(\d+)", (folder / "environment").read_text())
    with socket.socket() as asking:
        return port is not None and asking.connect_ex(("127.0.0.1", int(port[1]))) != 0


def control(folder: Path, *words: str) -> str:
    """What `rabbitmqctl` says of the node of that folder, such as to `list_queues name messages`."""
    command = f". '{folder}/environment'; exec '{_program('rabbitmqctl')}' -q \"$@\""
    done = subprocess.run(["sh", "-c", command, "sh", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{NAME}: rabbitmqctl {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _launch(folder: Path, *, address: str, owner: int | None) -> Running:
    wait_until(lambda: forgets_names(folder), limit_s=STOP_LIMIT_S)  # the one of its earlier life would be in the way
    return launch(
        ["sh", str(folder / "node")],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def _configure(folder: Path, ports: list[int]) -> None:
    port, distribution, names = ports
    words = {"folder": folder, "epmd": _epmd(), "server": _program("rabbitmq-server"), "watch": WATCH}
    (folder / "rabbitmq.conf").write_text(SETTINGS.format(port=port))
    (folder / "plugins").write_text("[].\n")
    (folder / "environment").write_text(ENVIRONMENT.format(folder=folder, distribution=distribution, names=names))
    (folder / "node").write_text(NODE.format(python=sys.executable, **words))


def _program(name: str) -> Path | None:
    """Debian's programs in PATH insist on a user of their own; what they stand for does not."""
    if (PROGRAMS / name).exists():
        return PROGRAMS / name
    found = shutil.which(name)
    return None if found is None else Path(found)


def _epmd() -> str | None:
    return shutil.which("epmd")
