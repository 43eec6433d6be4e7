"""`millstream track`: how far a job of a server is."""

import argparse
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.client import Client
from millstream.cli.output import print_json, printable, rough_duration, say, stderr_console, stdout_console, wants_json
from millstream.core.exits import Exit
from millstream.core.ingestion import Status
from millstream.core.units import format_size
from millstream.errors import InvalidValueError

LOOK_EVERY_S = 0.5
MESSAGE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
ENDED = frozenset({Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.CANCELLED})
STYLES = {
    Status.RUNNING: "yellow",
    Status.SUCCEEDED: "green",
    Status.PARTIAL: "bold yellow",
    Status.FAILED: "bold red",
    Status.CANCELLED: "dim",
}

Document = dict[str, Any]


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="track",
        example="millstream track 0197a3c4d5e6f0a1b2c3d4e5f6071829 --server http://127.0.0.1:8080 --wait",
        parents=parents,
    )
    parser.add_argument("id", metavar="ID", help="the message id of the job")
    add_server(parser)
    parser.set_defaults(run=_run)


def add_server(parser: argparse.ArgumentParser) -> None:
    """The options of commands that ask a server."""
    parser.add_argument(
        "--server", metavar="URL", default="http://127.0.0.1:8080", help="its address (default: %(default)s)"
    )
    parser.add_argument("--key", metavar="K", help="API key (better: in the environment, MILLSTREAM_KEY)")
    parser.add_argument("--wait", action="store_true", help="wait for the end, and exit as it ended")


def _run(args: argparse.Namespace) -> int:
    if MESSAGE_ID.fullmatch(args.id) is None:
        raise InvalidValueError(name="ID", expected="1 to 64 letters, digits and dashes", found=args.id)
    client = Client(args.server, key=args.key)
    document = client.get("/track", query={"message_id": args.id})
    return finish(document, client=client, args=args)


def finish(document: Document, *, client: Client, args: argparse.Namespace) -> int:
    """Wait for the end if that was asked for, and show the job; returns the exit code."""
    if args.wait:
        document = wait(document, client=client, console=stderr_console(), is_quiet=args.quiet)
    show(document, as_json=wants_json(args))
    return int(exit_of(document) if args.wait else Exit.DONE)


def wait(
    document: Document,
    *,
    client: Client,
    console: Console,
    is_quiet: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Document:
    """Ask until the job ended, and the one that took its place, with progress in a terminal; the last answer."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[pace]}"))
    is_drawn = console.is_terminal and not is_quiet
    with Progress(*columns, console=console, disable=not is_drawn, transient=True) as progress:
        task = progress.add_task("", total=None, pace="")
        while True:
            progress.update(
                task,
                description=printable(f"{document['file_name']}: {document['status']}"),
                total=document["size_bytes"],
                completed=document["bytes_done"],
                pace=_pace(document),
            )
            following = document.get("successor")
            if document["status"] in ENDED and not following:
                return document
            if not following:
                pause(LOOK_EVERY_S)
            document = client.get("/track", query={"message_id": following or document["message_id"]})


def exit_of(document: Document) -> Exit:
    """How a command ends that waited for this job."""
    return Exit.DONE if document["status"] == Status.SUCCEEDED else Exit.DEAD


def show(document: Document, *, as_json: bool) -> None:
    """Put a job on standard output."""
    if as_json:
        print_json(document)
        return
    console = stdout_console()
    console.print(_table(document))
    for word in ("error", "waits_for"):
        if document.get(word):
            say(console, f"{word.replace('_', ' ')}: {document[word]}", style="red" if word == "error" else "yellow")


def _table(document: Document) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    size, done = document["size_bytes"], document["bytes_done"]
    share = f" of {format_size(size)} ({done / size:.0%})" if size else ""
    rejected = document["records_rejected"]
    chunks = document["chunks"]
    rows = (
        ("job", document["message_id"]),
        ("file", f"{document['file_name']} in {document['file_container']}"),
        ("status", document["status"]),
        ("done", format_size(done) + share),
        ("records", f"{document['records_published']:,} published" + (f", {rejected:,} rejected" if rejected else "")),
        ("chunks", ", ".join(f"{chunks[state]:,} {state}" for state in ("planned", "running", "done", "failed"))),
        ("pace", _pace(document) or "-"),
    )
    for name, value in rows:
        style = STYLES.get(document["status"], "") if name == "status" else ""
        table.add_row(name, Text(printable(str(value)), style=style))
    return table


def _pace(document: Document) -> str:
    rate, eta_s = document["rate_records_per_s"], document["eta_s"]
    words = [] if rate is None else [f"{rate:,.0f} records/s"]
    return ", ".join(words + ([] if eta_s is None else [f"done in about {rough_duration(eta_s)}"]))
