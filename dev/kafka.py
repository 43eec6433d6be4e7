"""One Kafka broker in KRaft mode, from the artifacts that Maven Central has.

Theory of operation: `install` copies the broker's jars into the cache folder and formats an empty log folder there;
both take seconds, once. Each start copies that folder (a few small files) instead of formatting anew, which saves the
start of a second virtual machine. A broker that was killed must wait until its earlier life counts as dead before
it serves again, therefore the short session.
"""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from dev.places import ServerError, cache_folder, free_ports, locked
from dev.process import Running, launch

NAME = "kafka"
VERSION = "4.1.1"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millstream</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""
LOGGING = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""
PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2500
broker.heartbeat.interval.ms=500
"""
JAVA = ("java", "-Xshare:auto", "-XX:+UseSerialGC")
HEAP = "-Xmx512m"
ATTEMPTS = 3


def missing() -> str | None:
    """What this machine lacks, or None."""
    lacking = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if not lacking or ((_home() / "libs").is_dir() and lacking == ["mvn"]):
        return None
    return f"{' and '.join(lacking)} not found; on Debian: apt-get install default-jre-headless maven"


def install() -> Path:
    """Put the broker into the cache folder unless it is there; returns its folder."""
    home = _home()
    with locked(cache_folder() / f"{NAME}.lock"):
        if missing() is not None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
            _run("apt-get", "update", "-q")
            _run("apt-get", "install", "-q", "-y", "--no-install-recommends", "default-jre-headless", "maven")
        lacking = missing()
        if lacking is not None:
            raise ServerError(f"{NAME}: {lacking}")
        if not (home / "libs").is_dir():
            _fetch(home / "libs")
        if not (home / "formatted").is_dir():
            _format(home)
    return home


def start(root: Path, *, port: int | None = None, owner: int | None = None) -> Running:
    """Start a broker with a folder of its own in `root`; ends with the process `owner`, if there is one."""
    home = install()
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-", dir=root))
    shutil.copytree(home / "formatted", folder / "data")
    (folder / "log4j2.properties").write_text(LOGGING)
    for attempt in range(1, ATTEMPTS + 1):
        ports = free_ports(2)
        _configure(folder, port=port or ports[0], controller=ports[1])
        try:
            return start_again(folder, owner=owner)
        except ServerError:  # most often somebody took the port in between
            if attempt == ATTEMPTS or port is not None:
                raise
    raise AssertionError("unreachable")


def start_again(folder: Path, *, owner: int | None = None) -> Running:
    """Start the broker of that folder, at the address it had."""
    settings = dict(line.split("=", 1) for line in (folder / "server.properties").read_text().splitlines())
    address = settings["advertised.listeners"].partition("://")[2]
    return launch(
        [
            *(*JAVA, HEAP, f"-Dlog4j2.configurationFile={folder}/log4j2.properties"),
            *("-cp", f"{_home()}/libs/*", "kafka.Kafka", f"{folder}/server.properties"),
        ],
        name=NAME,
        folder=folder,
        address=address,
        is_ready=lambda: answers(address),
        owner=owner,
    )


def answers(address: str) -> bool:
    """Whether a broker answers there: it is asked for the versions it speaks (ApiVersions, key 18, version 0)."""
    host, _, port = address.rpartition(":")
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(4)) > 0
    except OSError:
        return False


def _home() -> Path:
    return cache_folder() / f"{NAME}-{VERSION}"


def _configure(folder: Path, *, port: int, controller: int) -> None:
    (folder / "server.properties").write_text(PROPERTIES.format(folder=folder, port=port, controller=controller))


def _fetch(target: Path) -> None:
    """Have Maven copy the jars, into place only when all of them are there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        draft = Path(name)
        (draft / "pom.xml").write_text(POM)
        libs = draft / "libs"
        _run(
            "mvn", "-q", "-B", "-f", str(draft / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={libs}"
        )
        libs.rename(target)


def _format(home: Path) -> None:
    """Format an empty log folder; static voters, so without --standalone. Nothing of it depends on ports."""
    with tempfile.TemporaryDirectory(dir=home) as name:
        draft = Path(name)
        _configure(draft, port=1, controller=2)
        tool = (*JAVA, "-cp", f"{home}/libs/*", "kafka.tools.StorageTool")
        _run(*tool, "format", "-t", "millstreamTestBrokers0", "-c", f"{draft}/server.properties")
        (draft / "data").rename(home / "formatted")


def _run(*command: str) -> None:
    """Run a command to its end; what it said becomes the error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ServerError(f"{NAME}: {command[0]} failed: {said[0] if said else f'exit code {done.returncode}'}")
