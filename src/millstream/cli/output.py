"""How results are shown: the one place that decides between JSON and tables, and the words that all verbs share.

Theory of operation: results go to standard output, as tables in a terminal and as JSON in a pipe or on request;
everything else goes to standard error. Text that came from records, errors or file names is made `printable` before a
terminal sees it, so that nothing in it can move a cursor or break a line. JSON keeps it all, and times as seconds.
What draws in a terminal is loaded by those who draw: a pipe gets its answer sooner.
"""

import argparse
import json
import sys
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from millstream.core.units import format_duration

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text


def wants_json(args: argparse.Namespace) -> bool:
    """Whether results are to be JSON: asked for, or standard output is no terminal."""
    return bool(args.json) or not sys.stdout.isatty()


def print_json(document: Mapping[str, object]) -> None:
    """Put one JSON document on standard output: one line of UTF-8, whatever the terminal's encoding."""
    line = json.dumps(document, ensure_ascii=False) + "\n"
    sys.stdout.flush()
    # What UTF-8 cannot say, half of a surrogate pair, becomes the escape that JSON has for it.
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def stdout_console() -> "Console":
    """For results in a terminal."""
    from rich.console import Console  # noqa: PLC0415 - for those who draw

    return Console(highlight=False, markup=False, emoji=False)


def stderr_console() -> "Console":
    """For progress and messages; whoever draws and whoever logs must share one, or they overwrite each other."""
    from rich.console import Console  # noqa: PLC0415 - for those who draw

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(console: "Console", text: str, *, style: str = "") -> None:
    """Write a line, left to the terminal to wrap."""
    console.print(styled(printable(text), style), soft_wrap=True)


def styled(text: str, style: str = "") -> "Text":
    """Text of a style, for tables and lines."""
    from rich.text import Text  # noqa: PLC0415 - for those who draw

    return Text(text, style=style)


def make_table(*columns: str, numbers: Container[str] = ()) -> "Table":
    """An empty table without lines; columns in `numbers` are aligned to the right, only the last one wraps."""
    from rich.table import Table  # noqa: PLC0415 - for those who draw

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, no_wrap=column != columns[-1], overflow="fold")
    return table


def printable(text: str) -> str:
    r"""The text with escapes such as \n or \x1b in place of everything that is not to be seen."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 batch`, `12,345 records`."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def rough_duration(seconds: float) -> str:
    """A duration with as many digits as a person wants: `12ms`, `3.2s`, `2m5s`."""
    digits = 3 if seconds < 1 else 1 if seconds < 60 else 0  # noqa: PLR2004 - a second, a minute
    return format_duration(round(seconds, digits))


def local_time(at_s: float, *, now_s: float) -> str:
    """Engine seconds as local time, `12:04:10`, with the date unless that is the date of `now_s`."""
    try:
        at, now = (datetime.fromtimestamp(seconds, tz=UTC).astimezone() for seconds in (at_s, now_s))
    except (OverflowError, ValueError):  # a window of a million years, or a clock that ran that far
        return f"second {at_s:.0f}"
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S")
