"""`millstream ingest NAME --container C --server URL`: ask a server for a file, and follow it."""

import argparse
import uuid

from millstream.cli.client import Client
from millstream.cli.output import print_json, wants_json
from millstream.cli.settings import given
from millstream.cli.track import finish
from millstream.config.ingesting import IngestConfig, read_ingest_config
from millstream.core.exits import Exit
from millstream.errors import ConfigurationError, MillstreamError

SENT = {
    "format": "format",
    "chunk": "chunk_bytes",
    "policy": "policy",
    "delimiter": "delimiter",
    "encoding": "encoding",
    "compression": "compression",
    "on_change": "on_change",
}
"""Options of the command that a request has a key for."""


def run_remote(args: argparse.Namespace) -> int:
    """Ask for `args.path` of `args.container` at `args.server`; returns the exit code. Raises MillstreamError."""
    request = _request(args)
    client = Client(args.server, key=args.key)
    # One key for all tries of this run: an answer that was lost on its way makes no second job.
    headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    accepted = client.post("/read-and-publish-data", body=request, headers=headers)
    message_id = accepted.get("message_id")
    if not isinstance(message_id, str):
        raise MillstreamError(f"server: {client.server}: expected a message id in its answer, found none")
    if not args.wait:
        _tell(accepted, message_id=message_id, args=args, server=client.server)
        return int(Exit.DONE)
    return finish(client.get("/track", query={"message_id": message_id}), client=client, args=args)


def _request(args: argparse.Namespace) -> dict[str, object]:
    """The request that the command line comes to; raises ConfigurationError with all problems."""
    options = given(args, IngestConfig)
    words = {name: name.replace("_", "-") for name in options}
    problems = [
        f"--{words[name]}: expected without --server, where it is the server's own, found it given"
        for name in options
        if name not in {*SENT, "no_header", "quote"}
    ]
    if args.container is None:
        problems.append("container: expected the name of a container of the server (--container NAME), found nothing")
    if problems:
        raise ConfigurationError(problems)
    config = read_ingest_config({**options, "to": "-"}, environment={})
    request: dict[str, object] = {"file_name": args.path, "file_container": args.container}
    request |= {key: getattr(config, name) for name, key in SENT.items() if name in options}
    if "no_header" in options:
        request["header"] = not config.no_header
    if "quote" in options:
        request["quote"] = config.quote or ""
    return request


def _tell(accepted: dict[str, object], *, message_id: str, args: argparse.Namespace, server: str) -> None:
    if wants_json(args):
        print_json(accepted)
        return
    print(f"accepted as {message_id}; `millstream track {message_id} --server {server}` says how far it is")  # noqa: T201 - the result
