"""The verb `plot`: a picture of results.

Theory of operation: results are read from files and standard input, drawn, and written as a whole. What draws is an
optional extra, so it is loaded here and nowhere before.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.cli.arguments import Verbs, add_verb
from millstream.cli.output import counted, print_json, printable, say, stderr_console, stdout_console, wants_json
from millstream.core.schedule import find_zone
from millstream.errors import InvalidValueError, MillstreamError, MissingExtraError

if TYPE_CHECKING:
    from millstream.counting.model import Size
    from millstream.plotting.reading import Reading, Windows

_STDIN, _TOPIC = "-", "kafka://"
_FORMATS = {".svg": "svg", ".png": "png"}


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `plot`."""
    parser = add_verb(
        verbs,
        name="plot",
        example="millstream count frames.jsonl --output users.jsonl && millstream plot users.jsonl -o users.svg\n"
        "  millstream plot monday.jsonl tuesday.jsonl --by minute,hour -o users.png",
        parents=parents,
    )
    parser.add_argument(
        "results", metavar="RESULTS", nargs="+", help="files of results, or - for standard input; the highest "
        "revision of a window counts, whichever file it is in",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="ends in .svg or .png")
    parser.add_argument("--by", metavar="SIZES", help="such as minute,day; default: every size that there is")
    parser.add_argument("--title", help="what stands above; default: Unique users")
    parser.add_argument("--zone", default="UTC", help="time zone of the axes, such as Europe/Zurich; default: UTC")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    kind = _FORMATS.get(args.output.suffix.lower())
    if kind is None:
        raise InvalidValueError(name="output", expected="a file that ends in .svg or .png", found=str(args.output))
    zone = find_zone(args.zone)
    try:
        from millstream.plotting import picture, reading  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra="plot", feature="millstream plot") from error
    sizes = _sizes(args.by)
    found = reading.Reading()
    for source in args.results:
        _read(source, found)
    windows = found.windows(sizes)
    if not windows:
        raise _nothing_to_draw(found, sizes)
    title = picture.TITLE if args.title is None else printable(args.title)
    _write(args.output, picture.render(windows, kind=kind, title=title, zone=zone))
    _report(found, windows, args=args)
    return 0


def _sizes(by: str | None) -> "Sequence[Size]":
    """The sizes that are named, or all; raises InvalidValueError."""
    from millstream.counting.model import SIZES, Size  # noqa: PLC0415 - needs what the extra brings

    try:
        return SIZES if by is None else [Size(word.strip()) for word in by.split(",")]
    except ValueError:
        expected = f"some of {','.join(SIZES)}, with commas between them"
        raise InvalidValueError(name="by", expected=expected, found=by) from None


def _read(source: str, found: "Reading") -> None:
    from millstream.plotting.reading import whole_lines  # noqa: PLC0415 - an optional extra

    if source.startswith(_TOPIC):
        raise MillstreamError(
            f"plot: expected a file of results or -, found {source!r}; "
            f"`millstream results {source} --once | millstream plot - -o FILE` draws what is in a topic"
        )
    try:
        if source == _STDIN:
            found.add(whole_lines(sys.stdin.buffer), name="standard input")
        else:
            with Path(source).open("rb") as file:
                found.add(whole_lines(file), name=source)
    except (OSError, ValueError) as error:  # a ValueError is a path with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise MillstreamError(f"plot: expected a file of results or -, found {source!r}: {reason}") from error


def _nothing_to_draw(found: "Reading", sizes: "Sequence[Size]") -> MillstreamError:
    if found.records:
        return MillstreamError(
            f"plot: expected results by {', '.join(sizes)}, found {counted(found.records, 'record')} by other sizes; "
            "leave out --by to draw those"
        )
    damaged = f"; the first of {counted(found.damaged, 'line')}: {found.first_damaged}" if found.damaged else ""
    return MillstreamError(f"plot: expected results as `millstream count` writes them, found none{damaged}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise MillstreamError(f"plot: cannot write {path}: {error.strerror or error}") from error


def _report(found: "Reading", windows: "Sequence[Windows]", *, args: argparse.Namespace) -> None:
    if found.damaged and not args.quiet:
        lines = f"{counted(found.damaged, 'line')} left out, because {'it is' if found.damaged == 1 else 'they are'}"
        say(stderr_console(), f"{lines} no results; the first is {found.first_damaged}", style="yellow")
    drawn = {str(panel.size): len(panel) for panel in windows}
    if wants_json(args):
        print_json({"output": str(args.output), "windows": drawn, "damaged": found.damaged})
    elif not args.quiet:
        sizes = ", ".join(counted(number, size) for size, number in drawn.items())
        say(stdout_console(), f"{args.output}: {sizes}")
