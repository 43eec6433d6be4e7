"""Where records and files come from, and whether it is there at all."""

import functools
import importlib
import logging
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from millstream.adapters.localzone import local_zone
from millstream.adapters.simulator import SimulatedMessages
from millstream.adapters.stdin import StandardInput
from millstream.adapters.textfile import TextFile
from millstream.config import SIMULATED, SOURCES, Config, FilesConfig, StreamConfig
from millstream.core.address import is_kafka, parse_address
from millstream.core.container import is_object_address
from millstream.core.packing import PackStrategy
from millstream.core.queueaddress import is_amqp, parse_queue
from millstream.core.schedule import Daily, Every, Schedule, find_zone
from millstream.errors import ConfigurationError, InvalidValueError, StrategyFailedError
from millstream.ports import Clock, Source
from millstream.wiring.handlers import handler_of, import_function
from millstream.wiring.objects import check_addresses

KEYED_BLOCK_BYTES = 64 << 10
PLAIN_BLOCK_BYTES = 1 << 20

log = logging.getLogger("millstream")


def check_inputs(config: Config) -> None:
    """Raise ConfigurationError when a source, a command or a folder is not there, all of them together.

    Raises MissingExtraError when a source needs what is not installed.
    """
    for stream in config.streams:
        _check_extra(stream)
    problems = [
        f"{stream.name}: source: expected {SOURCES}, found {_found(stream.source)}"
        for stream in config.streams
        if _is_file(stream) and not stream.follow and not _can_tell(Path(stream.source).is_file)
    ]
    for files in config.files:
        problems += _check_folders(files)
    for pipeline in config.pipelines:
        try:
            handler_of(pipeline)
        except InvalidValueError as error:
            problems.append(f"{pipeline.name}: {error}")
    if problems:
        raise ConfigurationError(problems)


def _check_extra(stream: StreamConfig) -> None:
    if is_kafka(stream.source):
        importlib.import_module("millstream.adapters.kafka")
    if is_amqp(stream.source):
        importlib.import_module("millstream.adapters.rabbitmq")


def _check_folders(files: FilesConfig) -> list[str]:
    plain = [path for path in files.paths if not is_object_address(path) and not any(sign in path for sign in "*?[")]
    problems = check_addresses(files)
    problems += [
        f"{files.name}: paths: expected a file or folder, found nothing at {path!r}"
        for path in plain
        if not _can_tell(Path(path).exists)
    ]
    problems += [
        f"{files.name}: {name}: expected a folder, or a name for a new one, found {folder!r}, which is neither"
        for name, folder in (("copy_to", files.copy_to), ("merge_to", files.merge_to))
        if folder and _can_tell(Path(folder).exists) and not _can_tell(Path(folder).is_dir)
    ]
    return problems


def _can_tell(question: Callable[[], bool]) -> bool:
    """The answer to a question about a path; no where a name is too long or a folder may not be looked into."""
    try:
        return question()
    except OSError:
        return False


def _found(source: str) -> str:
    """What is there instead of a file that can be read again after a crash."""
    if _can_tell(Path(source).is_dir):
        return f"the folder {source!r}"
    if _can_tell(Path(source).exists):
        return f"the pipe or device {source!r}, which - takes: millstream stream - < {shlex.quote(source)}"
    return f"no file {source!r}"


def _is_file(stream: StreamConfig) -> bool:
    return stream.source not in {"-", SIMULATED} and not is_kafka(stream.source) and not is_amqp(stream.source)


def source_of(stream: StreamConfig, clock: Clock) -> Source:
    """The source that `stream.source` names."""
    # Keys are read in the event loop: small blocks keep the deadlines punctual.
    block_bytes = KEYED_BLOCK_BYTES if stream.key else PLAIN_BLOCK_BYTES
    if stream.source == "-":
        return StandardInput(clock, max_record_bytes=stream.max_record, block_bytes=block_bytes)
    if stream.source == SIMULATED:
        return SimulatedMessages(clock, rate_per_s=stream.rate, duration_s=stream.duration, seed=stream.seed)
    if is_kafka(stream.source):
        return _topic_source(stream, clock, block_bytes=block_bytes)
    if is_amqp(stream.source):
        return _queue_source(stream, clock, block_bytes=block_bytes)
    return TextFile(
        stream.source, clock, follow=stream.follow, max_record_bytes=stream.max_record, block_bytes=block_bytes
    )


def _topic_source(stream: StreamConfig, clock: Clock, *, block_bytes: int) -> Source:
    from millstream.adapters.kafka.source import TopicSource  # noqa: PLC0415 - an optional extra

    return TopicSource(
        parse_address(stream.source),
        clock,
        start=stream.from_,
        group=stream.group,
        max_record_bytes=stream.max_record,
        block_bytes=block_bytes,
        tell=log.warning,
    )


def _queue_source(stream: StreamConfig, clock: Clock, *, block_bytes: int) -> Source:
    from millstream.adapters.rabbitmq.source import QueueSource  # noqa: PLC0415 - an optional extra

    return QueueSource(
        parse_queue(stream.source),
        clock,
        max_record_bytes=stream.max_record,
        block_bytes=block_bytes,
        tell=log.warning,
    )


def strategy_of(files: FilesConfig) -> str | PackStrategy:
    """How the files are packed: a name, or the function that the setting names."""
    if isinstance(files.strategy, str) and ":" not in files.strategy:
        return files.strategy
    if isinstance(files.strategy, str):
        return _reporting(import_function(files.strategy, setting="strategy"))  # type: ignore[arg-type]  # checked by what it returns
    return _reporting(files.strategy)  # type: ignore[arg-type]  # the user's function


def _reporting(strategy: PackStrategy) -> PackStrategy:
    """The user's function, whose exceptions end the engine in one line instead of a traceback."""

    @functools.wraps(strategy)
    def pack(sizes: Sequence[int], capacity_bytes: int) -> list[int]:
        try:
            return list(strategy(sizes, capacity_bytes))
        except Exception as error:  # a user's function may raise anything
            name = getattr(strategy, "__name__", type(strategy).__name__)
            raise StrategyFailedError(strategy=name, reason=f"{type(error).__name__}: {error}") from error

    return pack


def schedule_of(files: FilesConfig) -> Schedule | None:
    """When the folders are looked at; None for one look."""
    if files.at is not None:
        hour, minute, second = files.at
        zone = find_zone(files.zone) if files.zone else local_zone()
        return Daily(hour=hour, minute=minute, second=second, zone=zone)
    return Every(period_s=files.every) if files.every is not None else None
