"""How the values of settings are read that only pipelines have; counting, for one, starts without what these load."""

from millstream.config.readers import read_text
from millstream.core.identity import PIPELINE_NAME
from millstream.core.moment import Start, parse_start
from millstream.core.packing import STRATEGY_NAMES
from millstream.errors import InvalidValueError


def read_start(value: object, name: str) -> Start:
    """An end of a log, or a time."""
    return parse_start(read_text(value, name), name=name)


def read_handler(value: object, name: str) -> object:
    """The import path of a function, or (in Python) the function itself."""
    if callable(value):
        return value
    module, colon, function = str(value).partition(":")
    words = [*module.split("."), *function.split(".")]
    if not isinstance(value, str) or not colon or not all(word.isidentifier() for word in words):
        raise InvalidValueError(name=name, expected="package.module:function", found=value)
    return value


def read_strategy(value: object, name: str) -> object:
    """The name of a strategy, the import path of a function, or a function."""
    if value in STRATEGY_NAMES:
        return value
    try:
        return read_handler(value, name)
    except InvalidValueError:
        known = ", ".join(STRATEGY_NAMES)
        raise InvalidValueError(
            name=name, expected=f"one of {known}, or package.module:function", found=value
        ) from None


def read_pipeline_name(value: object, name: str) -> str:
    """A name that batch ids may begin with."""
    # Folders are named after it, so it must not be one that every folder has: `.` or `..`.
    if not isinstance(value, str) or not PIPELINE_NAME.fullmatch(value) or not value.strip("."):
        raise InvalidValueError(
            name=name, expected="1 to 64 letters, digits, dashes, underscores or dots among them", found=value
        )
    return value
