"""The settings of a count of unique users."""

from collections.abc import Mapping
from dataclasses import dataclass

from millstream.config.option import _option
from millstream.config.reader import Reader, _without
from millstream.config.readers import (
    one_of,
    read_count,
    read_flag,
    read_paths,
    read_positive_duration,
    read_text,
    read_zone,
)
from millstream.core.units import parse_duration
from millstream.errors import InvalidValueError

SIZES = ("minute", "hour", "day", "week", "month", "year")
LONGEST_S = 366 * 86_400


def read_sizes(value: object, name: str) -> tuple[str, ...]:
    """Sizes of windows, as a list or with commas between them; each once, from small to large."""
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words or not all(word in SIZES for word in words):
        raise InvalidValueError(name=name, expected=f"some of {','.join(SIZES)}", found=value)
    return tuple(size for size in SIZES if size in words)


def read_seconds(value: str | float, name: str) -> int:
    """Whole seconds, 0 included, at most a year."""
    seconds = parse_duration(value, name=name)
    if seconds != int(seconds) or seconds > LONGEST_S:
        raise InvalidValueError(name=name, expected="whole seconds up to a year, such as 5s", found=value)
    return int(seconds)


def read_key_path(value: object, name: str) -> str:
    """The name of a JSON key, dots between nested ones."""
    text = read_text(value, name)
    if not all(text.split(".")):
        raise InvalidValueError(name=name, expected="a key, or keys with dots between, such as user.id", found=value)
    return text


@dataclass(frozen=True, kw_only=True)
class CountConfig:
    """A count of unique users."""

    sources: tuple[str, ...] = _option(
        read_paths,
        None,
        example='["frames.jsonl.gz"]',
        text="-, files (.jsonl, .gz, .zst), or kafka://HOST:PORT/TOPIC",
        is_required=True,
    )
    by: tuple[str, ...] = _option(
        read_sizes, ",".join(SIZES), example="minute,hour", text="the sizes of windows that are put out"
    )
    uid: str = _option(read_key_path, "uid", example="user.id", text="JSON key of the user, dots between nested ones")
    ts: str = _option(read_key_path, "ts", example="ts", text="JSON key of the Unix time in seconds")
    lateness: int = _option(
        read_seconds, "5s", example="5s", text="how far behind the newest frame one may be without being late"
    )
    grace: int = _option(
        read_seconds, "60s", example="60s", text="how long after its end a window still takes late frames"
    )
    emit: str | None = _option(
        one_of("final", "ontime", "early"),
        None,
        example="ontime",
        text="when results are put out: once when final (default for files), also when due, or also before",
    )
    idle: float = _option(
        read_positive_duration, "10s", example="10s", text="silence after which open windows are put out as ontime"
    )
    exact: bool = _option(
        read_flag, "false", example="true", text="never estimate, whatever memory that takes", is_flag=True
    )
    zone: str = _option(read_zone, "UTC", example="Europe/Zurich", text="time zone of days and longer windows")
    output: str | None = _option(
        read_text, None, example="users.jsonl", text="- (default for files), a file, or kafka://HOST:PORT/TOPIC"
    )
    rejects: str | None = _option(
        read_text,
        None,
        example="rejects.jsonl",
        text="where copies of frames go that are not counted: a file, a topic, or off (default: beside the output)",
    )
    allow_loss: bool = _option(
        read_flag, "false", example="true", text="go on when more than 5 % of 100,000 frames are lost", is_flag=True
    )
    summary: str | None = _option(read_text, None, example="summary.json", text="write the summary there, as JSON")
    workers: int | None = _option(
        read_count, None, example="4", text="how many read at once; default: as many as there are cores"
    )
    scanner: str = _option(
        one_of("auto", "python", "native"),
        "auto",
        example="python",
        text="what reads frames: the compiled scanner if it is installed (make native), or one of the two",
    )
    role: str | None = _option(
        one_of("both", "worker", "merger"), None, example="worker", text="Kafka: which part of the work to do"
    )
    group: str | None = _option(read_text, None, example="users", text="Kafka: name under which the count goes on")
    from_: str | None = _option(
        read_text, None, example="earliest", text="Kafka: where to begin: committed, earliest, latest, or a time"
    )


def read_count_config(values: Mapping[str, object], *, environment: Mapping[str, str]) -> CountConfig:
    """The settings of a count as given on the command line, which overrides the environment.

    Raises ConfigurationError with all problems.
    """
    reader = Reader(_without(environment, set(values)))
    config = reader.read(CountConfig, values, where="")
    reader.raise_problems()
    return config
