"""The verb `simulate`: input that looks real, for trying things out, tests and benchmarks."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from millstream import simulate
from millstream.cli.arguments import Verbs, add_command, add_verb, argument
from millstream.core.units import format_size, parse_count, parse_duration, parse_rate, parse_share, parse_size
from millstream.errors import MillstreamError

_LINES_PER_WRITE = 4_096


def add_parser(verbs: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Register `simulate messages|files|frames`; `parents` hold the options that all commands have."""
    parser = add_verb(
        verbs,
        name="simulate",
        example="millstream simulate files --dir incoming",
    )
    kinds = parser.add_subparsers(title="what to simulate", metavar="messages|files|frames", required=True)
    _add_messages(kinds, parents=parents)
    _add_files(kinds, parents=parents)
    _add_frames(kinds, parents=parents)


def _add_messages(kinds: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        kinds,
        name="messages",
        summary="Write JSON messages with random times, all at once (in real time: `millstream stream sim:messages`).",
        example="millstream simulate messages --rate 10/min --duration 1h | millstream stream -",
        parents=parents,
    )
    parser.add_argument("--rate", type=argument(parse_rate), default="10/min", help="default: %(default)s")
    parser.add_argument("--duration", type=argument(parse_duration), default="30m", help="default: %(default)s")
    _add_seed_and_output(parser)
    parser.set_defaults(run=_messages)


def _add_files(kinds: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        kinds,
        name="files",
        summary="Write JSONL files with exponentially distributed sizes into a folder.",
        example="millstream simulate files --dir incoming --count 100 --mean 500KB",
        parents=parents,
    )
    parser.add_argument("--dir", type=Path, required=True, help="the folder; made when it is missing")
    parser.add_argument("--count", type=argument(parse_count), default="100", help="default: %(default)s")
    parser.add_argument("--mean", type=argument(parse_size), default="500KB", help="default: %(default)s")
    _add_seed(parser)
    parser.set_defaults(run=_files)


def _add_frames(kinds: Verbs, *, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = add_command(
        kinds,
        name="frames",
        summary="Write JSON frames with a user (`uid`) and a time (`ts`), for counting unique users.",
        example="millstream simulate frames --count 1000000 --late 1% --flip 0.1% -o frames.jsonl",
        parents=parents,
    )
    parser.add_argument("--count", type=argument(parse_count), default="100000", help="default: %(default)s")
    parser.add_argument(
        "--rate",
        type=argument(parse_rate),
        default="1000/s",
        help="frames for one second of event time; default: %(default)s",
    )
    parser.add_argument("--users", type=argument(parse_count), default="100000", help="default: %(default)s")
    parser.add_argument("--late", type=argument(parse_share), default="0", help="share that comes up to 30 s late")
    parser.add_argument("--flip", type=argument(parse_share), default="0", help="share with a wrong bit in its time")
    _add_seed_and_output(parser)
    parser.set_defaults(run=_frames)


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes; default: %(default)s")


def _add_seed_and_output(parser: argparse.ArgumentParser) -> None:
    _add_seed(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: standard output")


def _messages(args: argparse.Namespace) -> int:
    lines = simulate.messages(rate_per_s=args.rate, duration_s=args.duration, seed=args.seed)
    return _write("messages", lines, args=args)


def _frames(args: argparse.Namespace) -> int:
    lines = simulate.frames(
        count=args.count,
        rate_per_s=args.rate,
        users=args.users,
        late=args.late,
        flip=args.flip,
        seed=args.seed,
    )
    return _write("frames", lines, args=args)


def _files(args: argparse.Namespace) -> int:
    try:
        paths = simulate.write_files(args.dir, count=args.count, mean_bytes=args.mean, seed=args.seed)
        size_bytes = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise _cannot_write(args.dir, error=error) from error
    _report("files", count=len(paths), size_bytes=size_bytes, place={"dir": str(args.dir)}, args=args)
    return 0


def _write(kind: str, lines: Iterator[bytes], *, args: argparse.Namespace) -> int:
    """Write all lines to where the arguments say, and report; a reader that has enough is no error."""
    count = size_bytes = 0
    try:
        with _opened(args.output) as output:
            while chunk := list(islice(lines, _LINES_PER_WRITE)):
                count += len(chunk)
                size_bytes += output.write(b"".join(chunk))
    except BrokenPipeError:
        # What is still in the buffer has no reader either: without this, the interpreter would complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        raise _cannot_write(args.output or "standard output", error=error) from error
    place = {"output": str(args.output)} if args.output else {}
    _report(kind, count=count, size_bytes=size_bytes, place=place, args=args)
    return 0


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """The file at `path`, or standard output, flushed at the end."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with path.open("wb") as file:
            yield file


def _report(kind: str, *, count: int, size_bytes: int, place: dict[str, str], args: argparse.Namespace) -> None:
    """Say what was written: as JSON on standard output, or to a person on standard error."""
    if args.json:
        sys.stdout.write(json.dumps({kind: count, "bytes": size_bytes, **place}) + "\n")
    elif not args.quiet:
        where = "".join(f" in {path}" for path in place.values())
        sys.stderr.write(f"{count} {kind}, {format_size(size_bytes)}{where}\n")


def _cannot_write(path: Path | str, *, error: OSError) -> MillstreamError:
    return MillstreamError(f"simulate: cannot write {path}: {error.strerror or error}")
