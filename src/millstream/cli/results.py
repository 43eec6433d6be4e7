"""The verb `results`: show what `millstream count` puts out to a topic.

Theory of operation: in a terminal a table of the newest windows follows the topic; in a pipe each result is a line, as
it was written and in the order of its partition. Only committed results are read.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from rich.live import Live

from millstream.cli.arguments import Verbs, add_verb, argument
from millstream.cli.output import counted, say, stderr_console, stdout_console, wants_json
from millstream.cli.stopping import Stop
from millstream.core.address import parse_address
from millstream.core.exits import Exit
from millstream.core.moment import parse_start
from millstream.core.schedule import find_zone

if TYPE_CHECKING:
    from millstream.cli.results_table import Feed, NewestWindows

_REFRESHES_PER_S = 4


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `results`."""
    parser = add_verb(
        verbs,
        name="results",
        example="millstream results kafka://localhost:9092/user-data\n"
        "  millstream results kafka://localhost:9092/user-data --by hour,day --once > users.jsonl",
        parents=parents,
    )
    add = parser.add_argument
    add("address", metavar="kafka://HOST:PORT/TOPIC", type=argument(parse_address))
    add("--by", metavar="SIZES", help="such as minute,day; default: every size that there is")
    add(
        "--from",
        dest="start",
        metavar="earliest|latest|TIME",
        type=argument(parse_start),
        default="earliest",
        help="what was written from there on; a time such as 2025-07-20T12:00:00Z; default: %(default)s",
    )
    add("--once", action="store_true", help="end when everything that is there now has been shown")
    add("--zone", default="UTC", help="time zone of the table, such as Europe/Zurich; default: %(default)s")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from millstream.adapters.kafka.reader import TopicReader  # noqa: PLC0415 - an optional extra
    from millstream.cli.results_table import Feed, NewestWindows  # noqa: PLC0415 - needs what the extra brings

    zone = find_zone(args.zone)
    with Stop() as stop, closing(TopicReader(args.address, start=args.start)) as reader:
        feed = Feed(reader, by=args.by, stop=stop, once=args.once)
        if wants_json(args):
            _write_lines(feed)
        else:
            _draw(feed, NewestWindows(zone=zone), is_live=not args.once)
    if feed.others and not args.quiet:
        say(stderr_console(), f"left out {counted(feed.others, 'record')} that hold no result", style="yellow")
    return Exit.DONE


def _write_lines(feed: "Feed") -> None:
    """Each result as it was written, at once."""
    out = sys.stdout.buffer
    for batch in feed.batches():
        out.writelines(value + b"\n" for value, _ in batch)
        out.flush()


def _draw(feed: "Feed", windows: "NewestWindows", *, is_live: bool) -> None:
    """A table that follows, or one of what is there; the last one stays."""
    console = stdout_console()
    with contextlib.ExitStack() as stack:
        if is_live:
            render = lambda: windows.table(lines=console.height - 1, trouble=feed.trouble)  # noqa: E731
            live = Live(console=console, get_renderable=render, refresh_per_second=_REFRESHES_PER_S)
            stack.enter_context(live)
        for batch in feed.batches():
            windows.add(result for _, result in batch)
    if not is_live:
        console.print(windows.table(lines=console.height - 1))
