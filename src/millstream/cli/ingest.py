"""`millstream ingest`: publish the records of one file, here or by asking a server."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.ingest_display import IngestDisplay, show_report
from millstream.cli.messages import log_to
from millstream.cli.output import stderr_console, wants_json
from millstream.cli.settings import add_settings, given
from millstream.config.ingesting import IngestConfig, read_ingest_config
from millstream.wiring.ingest_job import read_job
from millstream.wiring.ingest_path import ingest_path


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="ingest",
        example="millstream ingest data.csv --to data.jsonl\n"
        "  millstream ingest data.csv.gz --to amqp://localhost/records --policy skip\n"
        "  millstream ingest data.csv --container test --server http://127.0.0.1:8080 --wait",
        parents=parents,
    )
    parser.add_argument("path", metavar="PATH", help="the file; with --server, its name in the container")
    add_settings(parser, IngestConfig, title="the file and its records")
    remote = parser.add_argument_group("ask a server instead (see `millstream serve`)")
    remote.add_argument("--server", metavar="URL", help="its address, such as http://127.0.0.1:8080")
    remote.add_argument("--container", metavar="NAME", help="the container that the file is in")
    remote.add_argument("--key", metavar="K", help="API key (better: in the environment, MILLSTREAM_KEY)")
    remote.add_argument("--wait", action="store_true", help="wait for the end, and exit as it ended")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.server is not None:
        from millstream.cli.ingest_remote import run_remote  # noqa: PLC0415 - nobody else needs a client

        return int(run_remote(args))
    config = read_ingest_config(given(args, IngestConfig), environment=os.environ)
    job = read_job(args.path, config, state=Path(args.state))
    console = stderr_console()
    with log_to(console, is_quiet=args.quiet), IngestDisplay(console, is_quiet=args.quiet) as display:
        report = ingest_path(
            job, state=Path(args.state), listeners=display.listeners, watch=display.watch, is_quiet=args.quiet
        )
    show_report(report, job=job, as_json=wants_json(args), is_quiet=args.quiet)
    return int(report.exit)
