"""Every setting: its name, default, meaning, and how it is read. Values only, merged and checked once.

Theory of operation: a setting is a field of one of the dataclasses below, declared once. Its name is the key of the
TOML file, the keyword of the Python call, with `-` for `_` the option of the command line, and in upper case behind
`MILLSTREAM_` the environment variable. The TOML file is overridden by the environment, that by the command line. All
problems are collected, so that a user sees them together; nothing is started before there are none.
"""

from millstream.config.checks import check
from millstream.config.counting import CountConfig, read_count_config
from millstream.config.reading import ENVIRONMENT_PREFIX, Reader, read_pipeline, read_toml
from millstream.config.settings import (
    SIMULATED,
    SOURCES,
    Config,
    EngineConfig,
    FilesConfig,
    Option,
    StreamConfig,
    WorkConfig,
    options_of,
    word_of,
)

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
