"""What `millstream worker` reads: the same file as the rest of a grown service."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from millstream.config.dispatching import DispatchConfig, check_dispatching, read_dispatching
from millstream.config.reader import Reader
from millstream.config.serving import Serving, read_document, read_serving
from millstream.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """Everything that a worker is configured with; `has_pipelines` says that the file has those of `millstream run`."""

    dispatch: DispatchConfig
    serving: Serving
    has_pipelines: bool


def read_working(
    path: Path,
    *,
    values: Mapping[str, object],
    engine: Mapping[str, object],
    environment: Mapping[str, str],
) -> Working:
    """The settings of a worker; `values` ([serve]) and `engine` are of the command line.

    Raises ConfigurationError with all problems.
    """
    document = read_document(path)
    reader = Reader(environment)
    dispatch = read_dispatching(document, reader, where=f"{path}: ")
    problems = list(reader.problems)
    serving: Serving | None = None
    try:
        serving = read_serving(values, engine=engine, path=path, environment=environment)
    except ConfigurationError as error:
        problems += error.problems
    state = serving.engine.state if serving is not None else str(document.get("state", ""))
    if not reader.problems:
        problems += [f"{path}: {each}" for each in check_dispatching(dispatch, state=state, is_worker=True)]
    if serving is None or problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return Working(
        dispatch=dispatch, serving=serving, has_pipelines=any(name in document for name in ("stream", "files"))
    )
