"""What is wrong with settings that are each right by themselves."""

from collections.abc import Sequence

from millstream.config.settings import SIMULATED, Config, FilesConfig, StreamConfig, WorkConfig


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
