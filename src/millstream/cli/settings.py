"""Options of the command line, made from the settings in `config`."""

import argparse
from collections.abc import Iterable

from millstream.config import options_of, word_of


def add_settings(
    parser: argparse.ArgumentParser, kind: type[object], *, title: str, without: Iterable[str] = ()
) -> None:
    """Add an option for every setting of `kind`; values stay text, for `config` reads them and finds all problems."""
    group = parser.add_argument_group(title)
    for name, option in options_of(kind).items():
        if name in without:
            continue
        flag = "--" + word_of(name).replace("_", "-")
        default = f" (default: {option.default})" if option.default and not option.is_flag else ""
        text = (option.help + default).replace("%", "%%")
        if option.is_flag:
            group.add_argument(flag, dest=name, action="store_const", const=True, default=argparse.SUPPRESS, help=text)
        elif option.bare is not None:
            example = option.example
            group.add_argument(
                flag, dest=name, nargs="?", const=option.bare, metavar=example, default=argparse.SUPPRESS, help=text
            )
        else:
            group.add_argument(flag, dest=name, metavar=option.example, default=argparse.SUPPRESS, help=text)


def given(args: argparse.Namespace, kind: type[object]) -> dict[str, object]:
    """The settings of `kind` that were given on the command line."""
    names = options_of(kind)
    return {name: value for name, value in vars(args).items() if name in names and value is not None}
