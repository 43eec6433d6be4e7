"""The command line: one file per verb, and here what they share."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import NoReturn

from millstream.cli.arguments import line_of
from millstream.cli.output import printable
from millstream.cli.verbs import VERBS
from millstream.config import ENVIRONMENT_PREFIX
from millstream.core.exits import Exit
from millstream.errors import ConfigurationError, MillstreamError


class _Parser(argparse.ArgumentParser):
    """Answers wrong usage with one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"millstream: error: {printable(message)} (try {self.prog} --help)\n")


class _Version(argparse.Action):
    """Says the version; which scanner there is, is looked up only now."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and nobody else asks for it

        from millstream.counting.frames.choosing import choose_scanner  # noqa: PLC0415 - nobody else asks for it

        sys.stdout.write(f"millstream {version('millstream')} (scanner: {choose_scanner().name})\n")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    command: list[str] | None = None
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = _build_parser(words)
    args = parser.parse_args(words)
    if command is not None and not hasattr(args, "accepts_command"):
        parser.error("-- COMMAND goes with stream and files only")
    args.command = command
    if args.state is None and not hasattr(args, "state_is_in_file"):
        from millstream.config import EngineConfig  # noqa: PLC0415 - most commands do not ask for it here

        args.state = os.environ.get(ENVIRONMENT_PREFIX + "STATE", EngineConfig.state)
    try:
        return int(args.run(args))
    except ConfigurationError as error:
        return _refuse(error.problems)
    except MillstreamError as error:
        return _refuse([str(error)])
    except BrokenPipeError:
        # Whoever read standard output went away; nothing may be written at exit either.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except KeyboardInterrupt:
        return Exit.FORCED


def _refuse(problems: Iterable[str]) -> int:
    """Say what is wrong, a line each."""
    for problem in problems:
        print(f"millstream: error: {printable(problem)}", file=sys.stderr)  # noqa: T201 - this is where errors are shown
    return Exit.USAGE


def _build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser for these words. Loading commands takes time, so it has the options of the one that is asked for only.

    All others are there by name, unless the first word names a command: then it is that module alone.
    """
    parser = _Parser(
        prog="millstream",
        description="Turns streams and files into batches and gets every batch worked once.",
        epilog="examples:\n  millstream demo\n  millstream stream events.jsonl --window 5m -- ./load.sh\n"
        "  millstream files incoming/ --merge-to lake/\n  millstream status",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version, and which scanner counts")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = next((VERBS[word].module for word in words if word in VERBS), None)
    every = dict.fromkeys(verb.module for verb in VERBS.values())
    for module in [asked] if words and words[0] in VERBS else every:
        if module == asked:
            import_module(f"millstream.cli.{module}").add_parser(verbs, parents=[_shared()])
        else:
            for name in [name for name, verb in VERBS.items() if verb.module == module]:
                verbs.add_parser(name, help=line_of(VERBS[name].summary))
    return parser


def _shared() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("every command")
    group.add_argument("--state", metavar="DIR", help="folder of ledger and spool (default: .millstream)")
    group.add_argument("--json", action="store_true", help="results as JSON, which is also what a pipe gets")
    group.add_argument("--quiet", action="store_true", help="no progress and no messages, only results")
    return parser
