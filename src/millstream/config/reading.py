"""Settings from a TOML file, the environment and the command line, with all problems together."""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from millstream.config.checks import check
from millstream.config.settings import (
    Config,
    EngineConfig,
    FilesConfig,
    Option,
    Settings,
    StreamConfig,
    WorkConfig,
    options_of,
    word_of,
)
from millstream.errors import ConfigurationError, InvalidValueError

ENVIRONMENT_PREFIX = "MILLSTREAM_"
TABLES = ("stream", "files")


class Reader:
    """Reads settings and collects every problem; `raise_problems` ends with all of them together."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, kind: type[Settings], values: Mapping[str, object], *, where: str) -> Settings:
        """Build settings of `kind` from `values`, over which the environment goes first."""
        options = options_of(kind)
        values = {name if name in options else f"{name}_": value for name, value in values.items()}
        self.refuse_unknown(values, known=options, where=where)
        result: dict[str, object] = {}
        for name, option in options.items():
            variable = ENVIRONMENT_PREFIX + word_of(name).upper()
            if variable in self._environment:
                self._keep(result, name, option, self._environment[variable], where=f"{variable}: ")
            elif name in values:
                self._keep(result, name, option, values[name], where=where)
            elif option.is_required:
                self.problems.append(f"{where}{word_of(name)}: expected {option.help}, found nothing")
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
        words = [word_of(name) for name in known]
        self.problems += [
            f"{where}{word_of(name)}: {_unknown(word_of(name), words)}" for name in names if name not in known
        ]

    def _keep(self, result: dict[str, object], name: str, option: Option, value: object, *, where: str) -> None:
        try:
            result[name] = option.read(value, word_of(name))
        except InvalidValueError as error:
            self.problems.append(f"{where}{error}")
        except (TypeError, OverflowError):  # a list where a number should be; a number beyond all others
            problem = f"expected a value such as {option.example}, found {value!r}"
            self.problems.append(f"{where}{word_of(name)}: {problem}")

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


def _without(environment: Mapping[str, str], given: set[str]) -> dict[str, str]:
    """The environment less what the command line said."""
    hidden = {ENVIRONMENT_PREFIX + word_of(name).upper() for name in given}
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
