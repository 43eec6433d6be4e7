"""Every setting: its name, default, meaning, and how it is read. Values only, merged and checked once.

Theory of operation: a setting is a field of one of the dataclasses below, declared once. Its name is the key of the
TOML file, the keyword of the Python call, with `-` for `_` the option of the command line, and in upper case behind
`MILLSTREAM_` the environment variable. The TOML file is overridden by the environment, that by the command line. All
problems are collected, so that a user sees them together; nothing is started before there are none.

Names are imported when they are first used: a command starts with the settings of its own job, not with those of all.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from millstream.config.checks import check
    from millstream.config.counting import CountConfig, read_count_config
    from millstream.config.engine import EngineConfig
    from millstream.config.option import Option, options_of, word_of
    from millstream.config.reader import ENVIRONMENT_PREFIX, Reader
    from millstream.config.reading import read_pipeline, read_toml
    from millstream.config.settings import SIMULATED, SOURCES, Config, FilesConfig, StreamConfig, WorkConfig

__all__ = [
    "ENVIRONMENT_PREFIX",
    "SIMULATED",
    "SOURCES",
    "Config",
    "CountConfig",
    "EngineConfig",
    "FilesConfig",
    "Option",
    "Reader",
    "StreamConfig",
    "WorkConfig",
    "check",
    "options_of",
    "read_count_config",
    "read_pipeline",
    "read_toml",
    "word_of",
]

_HOMES = {
    "ENVIRONMENT_PREFIX": "reader",
    "SIMULATED": "settings",
    "SOURCES": "settings",
    "Config": "settings",
    "CountConfig": "counting",
    "EngineConfig": "engine",
    "FilesConfig": "settings",
    "Option": "option",
    "Reader": "reader",
    "StreamConfig": "settings",
    "WorkConfig": "settings",
    "check": "checks",
    "options_of": "option",
    "read_count_config": "counting",
    "read_pipeline": "reading",
    "read_toml": "reading",
    "word_of": "option",
}


def __getattr__(name: str) -> object:
    """A name, from the module of this package that it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
