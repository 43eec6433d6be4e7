"""`dev/servers`: install, start, stop and list servers for a person."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from dev import azurite, chromium, kafka, postgres, rabbitmq, s3, temporal
from dev.places import ServerError
from dev.process import Running, find

SERVERS = {module.NAME: module for module in (kafka, rabbitmq, postgres, temporal, azurite, s3, chromium)}


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="dev/servers", description="Real servers on 127.0.0.1, without containers.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, run, summary in (
        ("install", _install, "put servers into the cache folder"),
        ("start", _start, "start servers, and print their addresses"),
        ("stop", _stop, "end servers that were started here, and delete their data"),
        ("status", _status, "list servers that were started here"),
    ):
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.add_argument("server", nargs="?", default="all", choices=["all", *SERVERS])
        if name == "start":
            verb.add_argument("--port", type=int, help="the port to serve at (default: a free one)")
        if name == "stop":
            verb.add_argument("--port", type=int, help="only the one that serves there")
        verb.set_defaults(run=run)
    args = parser.parse_args()
    try:
        args.run(args)
    except ServerError as error:
        sys.stderr.write(f"dev/servers: {error}\n")
        return 1
    return 0


def _install(args: argparse.Namespace) -> None:
    for name in _names(args.server):
        sys.stdout.write(f"{name} is in {SERVERS[name].install()}\n")


def _start(args: argparse.Namespace) -> None:
    for name in _names(args.server):
        sys.stdout.write(_line(SERVERS[name].start(_root(), port=args.port)))


def _stop(args: argparse.Namespace) -> None:
    for running in _found(args.server):
        if args.port is None or running.address.endswith(f":{args.port}"):
            running.stop()
            running.forget()


def _status(args: argparse.Namespace) -> None:
    for running in _found(args.server):
        sys.stdout.write(_line(running))


def _names(server: str) -> list[str]:
    return list(SERVERS) if server == "all" else [server]


def _found(server: str) -> list[Running]:
    return [running for name in _names(server) for running in find(_root(), name=name)]


def _line(running: Running) -> str:
    state = f"process {running.pid}" if running.is_alive else "ended"
    return f"{running.name}  {running.address}  {state}  {running.folder}\n"


def _root() -> Path:
    """The folder of the servers of this person."""
    root = Path(tempfile.gettempdir()) / f"millstream-servers-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    return root
