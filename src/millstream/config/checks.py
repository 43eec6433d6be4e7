"""What is wrong with settings that are each right by themselves."""

from collections.abc import Sequence

from millstream.config.settings import SIMULATED, SOURCES, Config, FilesConfig, StreamConfig, WorkConfig
from millstream.core.address import is_kafka, parse_address
from millstream.core.container import is_object_address, parse_container
from millstream.core.moment import Edge
from millstream.core.queueaddress import is_amqp, parse_queue, without_password
from millstream.errors import InvalidValueError


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
    try:
        if is_kafka(source):
            parse_address(source, name="source")
        elif is_amqp(source):
            parse_queue(source, name="source")
        elif "://" in source or (simulated and source != SIMULATED):
            problems.append(f"{stream.name}: source: expected {SOURCES}, found {without_password(source)!r}")
    except InvalidValueError as error:
        problems.append(f"{stream.name}: {error}")
    shown = without_password(source)
    if stream.follow and (source == "-" or simulated or is_kafka(source) or is_amqp(source)):
        problems.append(f"{stream.name}: follow: expected a file as source, found {shown!r}")
    if not is_kafka(source):
        given = {"group": stream.group is not None, "from": stream.from_ is not Edge.EARLIEST}
        problems += [
            f"{stream.name}: {word}: expected a source kafka://HOST:PORT/TOPIC, found {shown!r}"
            for word, is_given in given.items()
            if is_given
        ]
    return problems


def _check_files(files: FilesConfig) -> list[str]:
    built_in = [name for name in ("copy_to", "merge_to", "verify") if getattr(files, name)]
    problems = _check_work(files, built_in) + _check_paths(files)
    when = [name for name in ("at", "every", "once") if getattr(files, name)]
    if len(when) > 1:
        problems.append(f"{files.name}: {' and '.join(when)}: expected one of them, found {len(when)}")
    if files.zone and not files.at:
        problems.append(f"{files.name}: zone: expected together with at, found alone")
    return problems


def _check_paths(files: FilesConfig) -> list[str]:
    objects = [path for path in files.paths if is_object_address(path)]
    problems = []
    for path in files.paths:
        try:
            if is_object_address(path) or "://" in path:
                parse_container(path, name="paths")
        except InvalidValueError as error:
            problems.append(f"{files.name}: {error}")
    if 0 < len(objects) < len(files.paths):
        problems.append(
            f"{files.name}: paths: expected folders or object stores, found both; make two pipelines of them"
        )
    if files.credentials and not objects:
        problems.append(f"{files.name}: credentials: expected paths such as s3://BUCKET/PREFIX, found none")
    outputs = {name: getattr(files, name) for name in ("copy_to", "merge_to")}
    problems += [
        f"{files.name}: {name}: expected a folder, found {folder!r}"
        for name, folder in outputs.items()
        if folder and is_object_address(folder)
    ]
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
