"""`millstream key`: a new API key, and what the configuration of the server is to know of it."""

import argparse
import sys
from collections.abc import Sequence

from millstream.cli.arguments import Verbs, add_verb, argument
from millstream.cli.output import print_json, wants_json
from millstream.config.serving_values import read_key_name, read_scope
from millstream.core.exits import Exit
from millstream.wiring.serve import make_key


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = add_verb(
        verbs,
        name="key",
        example="millstream key alice --containers test\n  millstream key root --operator",
        parents=parents,
    )
    parser.add_argument(
        "name", metavar="NAME", type=argument(lambda text: read_key_name(text, "NAME")), help="whose it is"
    )
    parser.add_argument(
        "--containers",
        metavar="NAME,NAME",
        type=argument(lambda text: read_scope(text.split(","), "containers")),
        default=("*",),
        help="containers it may name (default: *, all)",
    )
    parser.add_argument("--operator", action="store_true", help="sees the whole engine, and the jobs of all keys")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    key, sha256 = make_key()
    table = key_table(args.name, sha256=sha256, containers=args.containers, operator=args.operator)
    if wants_json(args):
        print_json({"name": args.name, "key": key, "sha256": sha256, "table": table})
    else:
        sys.stdout.write(f"{key}\n\nGive it to {args.name}; the server's configuration gets this table:\n\n{table}")
    return int(Exit.DONE)


def key_table(name: str, *, sha256: str, containers: Sequence[str], operator: bool) -> str:
    """A [[key]] table of the configuration file."""
    names = ", ".join(f'"{container}"' for container in containers)
    lines = ["[[key]]", f'name = "{name}"', f'sha256 = "{sha256}"', f"containers = [{names}]"]
    return "\n".join([*lines, *(["operator = true"] if operator else [])]) + "\n"
