"""Every setting: its name, default, meaning, and how it is read. Values only, merged and checked once.

Theory of operation: a setting is a field of one of the dataclasses below, declared once. Its name is the key of the
TOML file, the keyword of the Python call, with `-` for `_` the option of the command line, and in upper case behind
`MILLSTREAM_` the environment variable. The TOML file is overridden by the environment, that by the command line. All
problems are collected, so that a user sees them together; nothing is started before there are none.
"""

import difflib
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from millstream.core.identity import PIPELINE_NAME
from millstream.core.packing import STRATEGY_NAMES
from millstream.core.schedule import find_zone
from millstream.core.units import parse_count, parse_duration, parse_rate, parse_size, parse_time_of_day
from millstream.errors import ConfigurationError, InvalidValueError

ENVIRONMENT_PREFIX = "MILLSTREAM_"
OFF = "off"
SIMULATED = "sim:messages"
TABLES = ("stream", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How one setting is read and explained; `example` is what a user would write."""

    read: Callable[[Any, str], object]
    help: str
    example: str
    default: str | None
    is_flag: bool = False
    is_required: bool = False


def _option(
    read: Callable[[Any, str], object],
    default: str | None,
    *,
    example: str,
    text: str,
    is_flag: bool = False,
    is_required: bool = False,
) -> Any:
    value = None if default is None else read(default, "default")
    option = Option(read=read, help=text, example=example, default=default, is_flag=is_flag, is_required=is_required)
    return field(default=value, metadata={"option": option})


# --- readers --------------------------------------------------------------------------------------------------------


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidValueError(name=name, expected="some text", found=value)
    return value


def _field(value: object, name: str) -> str:
    text = _text(value, name)
    if any(sign in '"\\' or sign < " " for sign in text):
        raise InvalidValueError(
            name=name, expected="a field that JSON names without an escape, such as user.id", found=value
        )
    return text


def _flag(value: object, name: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise InvalidValueError(name=name, expected="true or false", found=value)


def _duration(value: str | float, name: str) -> float:
    return parse_duration(value, name=name)


def _positive_duration(value: str | float, name: str) -> float:
    seconds = parse_duration(value, name=name)
    if seconds <= 0:
        raise InvalidValueError(name=name, expected="a duration above 0 such as 5m", found=value)
    return seconds


def _size(value: str | float, name: str) -> int:
    return parse_size(value, name=name)


def _positive_size(value: str | float, name: str) -> int:
    size = parse_size(value, name=name)
    if size <= 0:
        raise InvalidValueError(name=name, expected="a size above 0 such as 10MB", found=value)
    return size


def _rate(value: str | float, name: str) -> float:
    return parse_rate(value, name=name)


def _count(value: str | float, name: str) -> int:
    return parse_count(value, name=name)


def _whole(value: str | float, name: str) -> int:
    return parse_count(value, name=name, minimum=0)


def _unless_off(read: Callable[[Any, str], object]) -> Callable[[Any, str], object]:
    def read_unless_off(value: object, name: str) -> object:
        return None if value == OFF else read(value, name)

    return read_unless_off


def _speed(value: str | float, name: str) -> float:
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if isinstance(value, bool) or not 0 < speed < float("inf"):
        raise InvalidValueError(name=name, expected="a number above 0 such as 300", found=value)
    return speed


def _one_of(*words: str) -> Callable[[Any, str], str]:
    def read_word(value: object, name: str) -> str:
        if value not in words:
            raise InvalidValueError(name=name, expected=f"one of {', '.join(words)}", found=value)
        return str(value)

    return read_word


def _time_of_day(value: object, name: str) -> tuple[int, int, int]:
    return parse_time_of_day(_text(value, name), name=name)


def _zone(value: object, name: str) -> str:
    return find_zone(_text(value, name), name=name).key


def _paths(value: object, name: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items or not all(_is_word(item) and item for item in items):
        raise InvalidValueError(name=name, expected="a path or a list of paths", found=value)
    return tuple(items)


def _command(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or not all(map(_is_word, value)):
        raise InvalidValueError(name=name, expected='a list of words such as ["gzip", "-c"]', found=value)
    return tuple(value)


def _is_word(value: object) -> bool:
    """Whether the operating system takes it as a path or as an argument of a command."""
    return isinstance(value, str) and "\0" not in value


def _handler(value: object, name: str) -> object:
    """The import path of a function, or (in Python) the function itself."""
    if callable(value):
        return value
    module, colon, function = str(value).partition(":")
    words = [*module.split("."), *function.split(".")]
    if not isinstance(value, str) or not colon or not all(word.isidentifier() for word in words):
        raise InvalidValueError(name=name, expected="package.module:function", found=value)
    return value


def _strategy(value: object, name: str) -> object:
    if value in STRATEGY_NAMES:
        return value
    try:
        return _handler(value, name)
    except InvalidValueError:
        known = ", ".join(STRATEGY_NAMES)
        raise InvalidValueError(
            name=name, expected=f"one of {known}, or package.module:function", found=value
        ) from None


def _pipeline_name(value: object, name: str) -> str:
    # Folders are named after it, so it must not be one that every folder has: `.` or `..`.
    if not isinstance(value, str) or not PIPELINE_NAME.fullmatch(value) or not value.strip("."):
        raise InvalidValueError(
            name=name, expected="1 to 64 letters, digits, dashes, underscores or dots among them", found=value
        )
    return value


# --- settings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class WorkConfig:
    """How batches are worked; for every pipeline."""

    workers: int = _option(_count, "10", example="10", text="how many batches are worked at once")
    processes: int = _option(_count, "1", example="2", text="worker host processes that the workers are spread over")
    queue: int = _option(_count, "50", example="50", text="how many batches are claimed at once, running ones included")
    max_memory: int = _option(
        _positive_size, "200MB", example="200MB", text="bytes of all claimed batches together; one always fits"
    )
    retries: int = _option(_whole, "5", example="5", text="further attempts after a failure, before a batch is dead")
    backoff: float = _option(
        _duration, "1s", example="1s", text="longest wait before the first retry; doubles with each, with full jitter"
    )
    timeout: float | None = _option(
        _unless_off(_positive_duration), None, example="10m", text="longest an attempt may take"
    )
    max_host: int | None = _option(
        _unless_off(_positive_size), "2GB", example="2GB", text="memory at which a worker host is replaced; off: never"
    )
    handler: str | Callable[..., object] | None = _option(
        _handler, None, example="shop.load:clicks", text="function that works a batch: def load(batch, context)"
    )
    command: tuple[str, ...] | None = _option(
        _command, None, example='["gzip", "-c"]', text="command that works a batch (on the command line: after --)"
    )


@dataclass(frozen=True, kw_only=True)
class StreamConfig(WorkConfig):
    """A stream that is cut into minibatches."""

    name: str = _option(
        _pipeline_name, "stream", example="clicks", text="name of the pipeline; batch ids begin with it"
    )
    source: str = _option(_text, None, example="events.jsonl", text=f"-, a file, or {SIMULATED}", is_required=True)
    window: float | None = _option(
        _unless_off(_positive_duration), "5m", example="5m", text="a minibatch closes this long after its first record"
    )
    max_count: int | None = _option(_count, None, example="10000", text="a minibatch closes at so many records")
    max_bytes: int | None = _option(
        _positive_size, None, example="10MB", text="a minibatch closes before it exceeds this"
    )
    idle_gap: float | None = _option(
        _positive_duration, None, example="30s", text="a minibatch closes this long after its last record"
    )
    key: str | None = _option(
        _field, None, example="user.id", text="JSON field; one open minibatch for each of its values"
    )
    max_keys: int = _option(_count, "10000", example="10000", text="open minibatches; beyond, the oldest is closed")
    follow: bool = _option(
        _flag, "false", example="true", text="keep reading a growing file, through rotation", is_flag=True
    )
    sync_every: float = _option(
        _duration, "50ms", example="50ms", text="real time after which what was read is durable at the latest"
    )
    max_record: int = _option(
        _positive_size, "16MB", example="16MB", text="longest record; a longer one stops the intake"
    )
    max_spool: int | None = _option(
        _positive_size, None, example="10GB", text="intake waits while unfinished batches hold more than this"
    )
    rate: float = _option(_rate, "10/min", example="10/min", text="sim:messages: mean rate of a Poisson process")
    duration: float | None = _option(
        _unless_off(_positive_duration), "30m", example="30m", text="sim:messages: how long it goes on; off: for ever"
    )
    seed: int = _option(_whole, "1", example="1", text="sim:messages: the same seed gives the same messages")


@dataclass(frozen=True, kw_only=True)
class FilesConfig(WorkConfig):
    """Folders whose files are packed into buckets."""

    name: str = _option(
        _pipeline_name, "files", example="nightly", text="name of the pipeline; batch ids begin with it"
    )
    paths: tuple[str, ...] = _option(_paths, ".", example='["incoming/"]', text="files, folders (recursive) or globs")
    capacity: int = _option(_positive_size, "10MB", example="10MB", text="bytes that a bucket holds at most")
    strategy: str | Callable[..., object] = _option(
        _strategy, "auto", example="auto", text=f"one of {', '.join(STRATEGY_NAMES)}, or package.module:function"
    )
    open_cost: int = _option(_size, "0", example="4KB", text="weight of opening a file, as bytes; never counts as size")
    max_files: int | None = _option(_count, None, example="1000", text="files that a bucket holds at most")
    group: str | None = _option(_one_of("dir"), None, example="dir", text="dir: files of one folder go together first")
    settle: float = _option(_duration, "2s", example="2s", text="a file is taken when nobody wrote to it for this long")
    at: tuple[int, int, int] | None = _option(_time_of_day, None, example="02:00", text="look every day at this time")
    every: float | None = _option(_positive_duration, None, example="10m", text="look now and then again this often")
    once: bool = _option(
        _flag, "false", example="true", text="look once and end when all is worked (default)", is_flag=True
    )
    zone: str | None = _option(_zone, None, example="Europe/Zurich", text="time zone of --at; default: the machine's")
    copy_to: str | None = _option(_text, None, example="archive/", text="copy each file there, verified by SHA-256")
    merge_to: str | None = _option(
        _text, None, example="lake/", text="write one file per bucket there, with a manifest"
    )
    merge_format: str = _option(
        _one_of("auto", "jsonl", "csv", "raw"), "auto", example="csv", text="how --merge-to joins files"
    )
    verify: bool = _option(_flag, "false", example="true", text="read each file and record its SHA-256", is_flag=True)
    bandwidth: int = _option(
        _positive_size, "50MB", example="50MB", text="bytes per second of a worker, to balance with until attempts tell"
    )
    file_cost: float = _option(_duration, "10ms", example="10ms", text="time that a file costs, until attempts tell")
    bucket_cost: float = _option(
        _duration, "50ms", example="50ms", text="time that a bucket costs, until attempts tell"
    )


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """What all pipelines of one engine share."""

    state: str = _option(_text, ".millstream", example=".millstream", text="folder of ledger and spool")
    speed: float = _option(_speed, "1", example="300", text="how many times faster the engine's clock runs")
    drain: str = _option(
        _one_of("keep", "close"), "keep", example="close", text="open minibatches at a stop: keep or close"
    )
    drain_limit: float = _option(_duration, "30s", example="30s", text="real time that running attempts get at a stop")
    keep: float = _option(_duration, "7d", example="7d", text="how long finished batches are remembered")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything an engine needs to know."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    streams: tuple[StreamConfig, ...] = ()
    files: tuple[FilesConfig, ...] = ()

    @property
    def pipelines(self) -> tuple[StreamConfig | FilesConfig, ...]:
        """All pipelines, streams first."""
        return (*self.streams, *self.files)


Settings = TypeVar("Settings", EngineConfig, StreamConfig, FilesConfig, WorkConfig)


def options_of(kind: type[object]) -> dict[str, Option]:
    """The options of one of the settings classes, by name, in the order of declaration."""
    return {f.name: f.metadata["option"] for f in fields(cast("Any", kind)) if "option" in f.metadata}


# --- reading --------------------------------------------------------------------------------------------------------


class Reader:
    """Reads settings and collects every problem; `raise_problems` ends with all of them together."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, kind: type[Settings], values: Mapping[str, object], *, where: str) -> Settings:
        """Build settings of `kind` from `values`, over which the environment goes first."""
        options = options_of(kind)
        self.refuse_unknown(values, known=options, where=where)
        result: dict[str, object] = {}
        for name, option in options.items():
            variable = ENVIRONMENT_PREFIX + name.upper()
            if variable in self._environment:
                self._keep(result, name, option, self._environment[variable], where=f"{variable}: ")
            elif name in values:
                self._keep(result, name, option, values[name], where=where)
            elif option.is_required:
                self.problems.append(f"{where}{name}: expected {option.help}, found nothing")
        return kind(**cast("Any", result))

    def readable(self, kind: type[Settings], values: Mapping[str, object], *, where: str) -> dict[str, object]:
        """Those of `values` that can be settings of `kind`, as they are; the others become problems."""
        result: dict[str, object] = {}
        for name, option in options_of(kind).items():
            if name in values:
                self._keep(result, name, option, values[name], where=where)
        return {name: values[name] for name in result}

    def refuse_unknown(self, names: Iterable[str], *, known: Collection[str], where: str) -> None:
        """Every name that is not known is a problem."""
        self.problems += [f"{where}{name}: {_unknown(name, known)}" for name in names if name not in known]

    def _keep(self, result: dict[str, object], name: str, option: Option, value: object, *, where: str) -> None:
        try:
            result[name] = option.read(value, name)
        except InvalidValueError as error:
            self.problems.append(f"{where}{error}")
        except (TypeError, OverflowError):  # a list where a number should be; a number beyond all others
            problem = f"expected a value such as {option.example}, found {value!r}"
            self.problems.append(f"{where}{name}: {problem}")

    def raise_problems(self) -> None:
        """Raise ConfigurationError when there are any."""
        if self.problems:
            # Once each: a variable of the environment is read for every pipeline.
            raise ConfigurationError(list(dict.fromkeys(self.problems)))


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown key; {hint}"


def read_pipeline(
    kind: type[Settings],
    values: Mapping[str, object],
    *,
    engine: Mapping[str, object],
    environment: Mapping[str, str],
) -> Config:
    """Settings of one pipeline and its engine, as given on the command line (which overrides the environment).

    Raises ConfigurationError with all problems.
    """
    reader = Reader(_without(environment, {*values, *engine}))
    settings = reader.read(kind, values, where="")
    config = Config(
        engine=reader.read(EngineConfig, engine, where=""),
        streams=(settings,) if isinstance(settings, StreamConfig) else (),
        files=(settings,) if isinstance(settings, FilesConfig) else (),
    )
    reader.problems += check(config)
    reader.raise_problems()
    return config


def read_toml(path: Path, *, environment: Mapping[str, str], overrides: Mapping[str, object]) -> Config:
    """Settings of a TOML file: engine settings and defaults for all pipelines at its top, then one table for each.

    `overrides` are engine settings of the command line. Raises ConfigurationError with all problems.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number or nesting too large to be read
        raise ConfigurationError([f"{path}: expected TOML: {error}"]) from None
    reader = Reader(_without(environment, set(overrides)))
    where = f"{path}: "
    engine = {name: value for name, value in document.items() if name in options_of(EngineConfig)}
    reader.refuse_unknown(document, known=[*TABLES, *options_of(EngineConfig), *options_of(WorkConfig)], where=where)
    tables = {kind: _tables(document.get(kind, []), kind, reader, where=where) for kind in TABLES}
    shared = reader.readable(WorkConfig, document, where=where)
    config = Config(
        engine=reader.read(EngineConfig, engine | dict(overrides), where=where),
        streams=_read_all(StreamConfig, tables["stream"], shared, reader, where=f"{where}stream"),
        files=_read_all(FilesConfig, tables["files"], shared, reader, where=f"{where}files"),
    )
    if not reader.problems and not config.pipelines:
        reader.problems.append(f"{where}expected at least one [[stream]] or [[files]], found none")
    reader.problems += check(config, where=where)
    reader.raise_problems()
    return config


def _without(environment: Mapping[str, str], given: set[str]) -> dict[str, str]:
    """The environment less what the command line said."""
    hidden = {ENVIRONMENT_PREFIX + name.upper() for name in given}
    return {variable: value for variable, value in environment.items() if variable not in hidden}


def _tables(value: object, kind: str, reader: Reader, *, where: str) -> list[dict[str, object]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    reader.problems.append(f"{where}{kind}: expected tables written [[{kind}]], found {value!r}")
    return []


def _read_all(
    kind: type[Settings], tables: list[dict[str, object]], shared: dict[str, object], reader: Reader, *, where: str
) -> tuple[Settings, ...]:
    return tuple(reader.read(kind, shared | table, where=f"{where}[{number}].") for number, table in enumerate(tables))


# --- what goes together -----------------------------------------------------------------------------------------------


def check(config: Config, *, where: str = "") -> list[str]:
    """What is wrong with settings that are each right by themselves."""
    problems = [problem for stream in config.streams for problem in _check_stream(stream)]
    problems += [problem for files in config.files for problem in _check_files(files)]
    names = [pipeline.name for pipeline in config.pipelines]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    problems += [f"name: {name!r} is used by more than one pipeline" for name in twice]
    if sum(stream.source == "-" for stream in config.streams) > 1:
        problems.append("source: standard input can feed only one stream")
    return [where + problem for problem in problems]


def _check_stream(stream: StreamConfig) -> list[str]:
    problems = _check_work(stream, [])
    source = stream.source or ""  # its absence was told already
    simulated = source.startswith("sim:")
    if "://" in source or (simulated and source != SIMULATED):
        problems.append(f"{stream.name}: source: expected -, a file or {SIMULATED}, found {source!r}")
    if stream.follow and (source == "-" or simulated):
        problems.append(f"{stream.name}: follow: expected a file as source, found {source!r}")
    return problems


def _check_files(files: FilesConfig) -> list[str]:
    built_in = [name for name in ("copy_to", "merge_to", "verify") if getattr(files, name)]
    problems = _check_work(files, built_in)
    when = [name for name in ("at", "every", "once") if getattr(files, name)]
    if len(when) > 1:
        problems.append(f"{files.name}: {' and '.join(when)}: expected one of them, found {len(when)}")
    if files.zone and not files.at:
        problems.append(f"{files.name}: zone: expected together with at, found alone")
    return problems


def _check_work(pipeline: WorkConfig, built_in: Sequence[str]) -> list[str]:
    name = getattr(pipeline, "name", "")
    given = [*built_in, *(word for word in ("handler", "command") if getattr(pipeline, word))]
    problems = []
    if len(given) > 1:
        problems.append(f"{name}: {' and '.join(given)}: expected one way to work a batch, found {len(given)}")
    if pipeline.processes > pipeline.workers:
        problems.append(
            f"{name}: processes: expected at most as many as workers ({pipeline.workers}), found {pipeline.processes}"
        )
    return problems
