"""What the parsers of all verbs share."""

import argparse
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from millstream.cli.verbs import VERBS
from millstream.errors import InvalidValueError

T = TypeVar("T")

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name
"""What `ArgumentParser.add_subparsers` returns."""


def add_command(
    verbs: Verbs,
    *,
    name: str,
    summary: str,
    example: str,
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """Register a command whose help ends with an example; `parents` hold the options that all commands have."""
    return verbs.add_parser(
        name,
        help=line_of(summary),
        description=summary,
        epilog=f"example:\n  {example}",
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_verb(
    verbs: Verbs, *, name: str, example: str, parents: Sequence[argparse.ArgumentParser] = ()
) -> argparse.ArgumentParser:
    """Register one of `VERBS`."""
    return add_command(verbs, name=name, summary=VERBS[name].summary, example=example, parents=parents)


def line_of(summary: str) -> str:
    """A summary as it stands in a list of commands."""
    return summary[0].lower() + summary[1:].rstrip(".")


def argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Make a parser of values usable as `type=` of an argument.

    What it refuses becomes a usage error in its own words, after the name of the argument.
    """

    def parse_argument(text: str) -> T:
        try:
            return parse(text)
        except InvalidValueError as error:
            raise argparse.ArgumentTypeError(f"expected {error.expected}, found {error.found!r}") from None

    return parse_argument
