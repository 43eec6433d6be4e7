"""The settings of pipelines whose batches are worked on other machines.

Theory of operation: `dispatcher` and what belongs to it stand at the top of the TOML file, beside `payloads`, the store
that the records of minibatches go through. The engine and every worker read the same file. What a worker on another
machine could not reach is refused here, before anything starts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from millstream.config.dispatching import DISPATCHING, DispatchConfig, check_dispatching, read_dispatching
from millstream.config.option import _option, options_of
from millstream.config.reader import Reader
from millstream.config.readers import read_text
from millstream.config.reading import TABLES, read_toml
from millstream.config.serving import read_document
from millstream.config.settings import Config, FilesConfig
from millstream.core.container import is_object_address, parse_container
from millstream.errors import ConfigurationError


def read_payloads(value: object, name: str) -> str:
    """A folder, `s3://BUCKET[/PREFIX]` or `az://CONTAINER[/PREFIX]`."""
    text = read_text(value, name)
    parse_container(text, name=name)
    return text


@dataclass(frozen=True, kw_only=True)
class PayloadConfig:
    """Where the records of minibatches go on their way to workers."""

    payloads: str | None = _option(
        read_payloads,
        None,
        example="s3://BUCKET/payloads",
        text="where workers get the records of minibatches from: an object store, or a folder that all machines have "
        "under this name",
    )
    payloads_credentials: str | None = _option(
        read_text,
        None,
        example="/etc/millstream/stores.toml",
        text="file with the credentials of that object store; default: the environment",
    )


ELSEWHERE_KEYS = (*DISPATCHING, *options_of(PayloadConfig))
"""Keys at the top of the TOML file."""

OTHER_TABLES = ("serve", "container", "key", "count")
"""Tables of the same file that other commands read."""


@dataclass(frozen=True, kw_only=True)
class ElsewhereConfig:
    """How the batches of pipelines are worked on other machines; `dispatch` says if they are."""

    dispatch: DispatchConfig = field(default_factory=DispatchConfig)
    payload: PayloadConfig = field(default_factory=PayloadConfig)


def read_run(
    path: Path, *, environment: Mapping[str, str], overrides: Mapping[str, object], is_worker: bool = False
) -> tuple[Config, ElsewhereConfig]:
    """Everything that `millstream run` reads in a TOML file; raises ConfigurationError with all problems."""
    problems: list[str] = []
    config, elsewhere = Config(), ElsewhereConfig()
    try:
        others = (*ELSEWHERE_KEYS, *OTHER_TABLES)
        config = read_toml(path, environment=environment, overrides=overrides, others=others)
    except ConfigurationError as error:
        problems += error.problems
    if path.is_file():
        elsewhere = _read_elsewhere(path, Reader(environment), problems)
    if not problems:
        problems += [f"{path}: {problem}" for problem in check_elsewhere(elsewhere, config, is_worker=is_worker)]
    if problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return config, elsewhere


def read_bench(path: Path, *, environment: Mapping[str, str]) -> tuple[Config, PayloadConfig]:
    """The pipelines of `millstream run` in the file of a worker, none if it has none; raises ConfigurationError."""
    if not any(table in read_document(path) for table in TABLES):
        return Config(), PayloadConfig()
    config, elsewhere = read_run(path, environment=environment, overrides={}, is_worker=True)
    return config, elsewhere.payload


def has_service(path: Path) -> bool:
    """Whether the file of a worker has something of the ingestion service in it, or no pipelines at all."""
    document = read_document(path)
    return any(table in document for table in ("serve", "container")) or not any(each in document for each in TABLES)


def _read_elsewhere(path: Path, reader: Reader, problems: list[str]) -> ElsewhereConfig:
    """What is wrong with the file itself was told by who read the pipelines."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ElsewhereConfig()
    where = f"{path}: "
    own = {name: value for name, value in document.items() if name in options_of(PayloadConfig)}
    elsewhere = ElsewhereConfig(
        dispatch=read_dispatching(document, reader, where=where), payload=reader.read(PayloadConfig, own, where=where)
    )
    problems += reader.problems
    return elsewhere


def check_elsewhere(elsewhere: ElsewhereConfig, config: Config, *, is_worker: bool = False) -> list[str]:
    """What of the pipelines of `config` cannot be worked in this way, in words."""
    problems = check_dispatching(elsewhere.dispatch, state=config.engine.state, is_worker=is_worker)
    if elsewhere.dispatch.is_embedded:
        if elsewhere.payload.payloads:
            problems.append('payloads: expected with dispatcher "rabbitmq" or "temporal", found it with "embedded"')
        return problems
    if config.streams and not elsewhere.payload.payloads:
        names = ", ".join(stream.name for stream in config.streams)
        problems.append(
            f"payloads: expected a store that all machines reach, such as s3://BUCKET/payloads, for the records of "
            f"{names}, found none"
        )
    if config.engine.speed != 1:
        problems.append("speed: expected 1 with workers on other machines, whose clocks run as fast as the wall")
    if config.engine.dashboard:
        problems.append('dashboard: expected with dispatcher "embedded" alone; `millstream serve` has a page as well')
    return problems + [problem for files in config.files for problem in _check_shared(files)]


def _check_shared(files: FilesConfig) -> list[str]:
    local = [path for path in files.paths if not is_object_address(path)]
    if not local or files.shared:
        return []
    expected = "s3:// or az://, or a folder that all machines have under the same name, which shared = true says"
    return [f"{files.name}: paths: expected {expected}, found {local[0]!r}"]
