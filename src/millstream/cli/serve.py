"""`millstream serve`: take on files over HTTP, and work them."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.messages import log_events, log_to
from millstream.cli.output import print_json, printable, stderr_console, wants_json
from millstream.cli.settings import add_settings, given
from millstream.config import EngineConfig, options_of
from millstream.config.serving import ServeConfig, read_serving
from millstream.wiring.serve import Serves, serve

ENGINE = ("drain_limit", "keep")
"""Settings of engines that mean something here."""


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="serve",
        example="millstream serve --container test=data/\n"
        "  curl -X POST http://127.0.0.1:8080/read-and-publish-data -H 'Content-Type: application/json' \\\n"
        '    -d \'{"file_name": "data.csv", "file_container": "test"}\'\n'
        "  millstream track ID --server http://127.0.0.1:8080",
        parents=parents,
    )
    parser.add_argument(
        "--container",
        metavar="NAME=ADDRESS",
        action="append",
        default=[],
        help="a place to read files from, with its name in requests: a folder, s3://BUCKET[/PREFIX] or "
        "az://CONTAINER[/PREFIX]; can be repeated (default: inbox, in the state folder)",
    )
    parser.add_argument("--config", metavar="FILE.toml", help="[serve], [[container]] and [[key]] tables")
    add_settings(parser, ServeConfig, title="the service (overrides the file)")
    without = set(options_of(EngineConfig)) - set(ENGINE)
    add_settings(parser, EngineConfig, title="engine (overrides the file)", without=without)
    parser.set_defaults(run=_run, state_is_in_file=True)


def _run(args: argparse.Namespace) -> int:
    serving = read_serving(
        given(args, ServeConfig),
        engine=given(args, EngineConfig),
        containers=args.container,
        path=Path(args.config) if args.config else None,
        environment=os.environ,
    )
    with log_to(stderr_console(), is_quiet=args.quiet):
        return int(
            serve(
                serving,
                on_ready=lambda ready: _tell(ready, as_json=wants_json(args)),
                listeners=() if args.quiet else (log_events,),
                is_quiet=args.quiet,
            )
        )


def _tell(ready: Serves, *, as_json: bool) -> None:
    """One line that says where the service is."""
    names = [container.name for container in ready.containers]
    if as_json:
        print_json({"url": ready.url, "containers": names, "to": ready.sink, "keys": ready.has_keys})
        return
    word = "container" if len(names) == 1 else "containers"
    line = f"serving at {ready.url} ({word} {', '.join(names)}; records go to {printable(ready.sink)})"
    print(line, flush=True)  # noqa: T201 - the result of this command
