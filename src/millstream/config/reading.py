"""Settings from a TOML file, the environment and the command line, with all problems together."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from millstream.config.checks import check
from millstream.config.engine import EngineConfig
from millstream.config.option import Settings, options_of
from millstream.config.reader import Reader, _without
from millstream.config.settings import Config, FilesConfig, StreamConfig, WorkConfig
from millstream.errors import ConfigurationError

TABLES = ("stream", "files")


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


def read_toml(
    path: Path, *, environment: Mapping[str, str], overrides: Mapping[str, object], others: Collection[str] = ()
) -> Config:
    """Settings of a TOML file: engine settings and defaults for all pipelines at its top, then one table for each.

    `overrides` are engine settings of the command line; keys and tables named in `others` are left to who reads them.
    Raises ConfigurationError with all problems.
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
    own = [name for name in document if name not in others]
    reader.refuse_unknown(own, known=[*TABLES, *options_of(EngineConfig), *options_of(WorkConfig)], where=where)
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


def _tables(value: object, kind: str, reader: Reader, *, where: str) -> list[dict[str, object]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    reader.problems.append(f"{where}{kind}: expected tables written [[{kind}]], found {value!r}")
    return []


def _read_all(
    kind: type[Settings], tables: list[dict[str, object]], shared: dict[str, object], reader: Reader, *, where: str
) -> tuple[Settings, ...]:
    return tuple(reader.read(kind, shared | table, where=f"{where}[{number}].") for number, table in enumerate(tables))
