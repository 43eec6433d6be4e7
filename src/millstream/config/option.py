"""What a setting is: a field of a dataclass with its name, default, meaning, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How one setting is read and explained; `example` is what a user would write.

    `bare` is what it means on the command line without a value; None where it must have one.
    """

    read: Callable[[Any, str], object]
    help: str
    example: str
    default: str | None
    is_flag: bool = False
    is_required: bool = False
    bare: str | None = None


def _option(
    read: Callable[[Any, str], object],
    default: str | None,
    *,
    example: str,
    text: str,
    is_flag: bool = False,
    is_required: bool = False,
    bare: str | None = None,
) -> Any:
    value = None if default is None else read(default, "default")
    option = Option(
        read=read,
        help=text,
        example=example,
        default=default,
        is_flag=is_flag,
        is_required=is_required,
        bare=bare,
    )
    return field(default=value, metadata={"option": option})


Settings = TypeVar("Settings")
"""A class of settings: one whose fields have options."""


def options_of(kind: type[object]) -> dict[str, Option]:
    """The options of one of the settings classes, by name, in the order of declaration."""
    return {f.name: f.metadata["option"] for f in fields(cast("Any", kind)) if "option" in f.metadata}


def word_of(name: str) -> str:
    """What users call the setting of a field: a field cannot be called as a keyword of Python is, such as `from`."""
    return name.removesuffix("_")
