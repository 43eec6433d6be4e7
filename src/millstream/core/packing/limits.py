"""What a bucket may hold."""

from dataclasses import dataclass

from millstream.errors import InvalidValueError

NO_LIMIT = 1 << 62
"""More files than there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most bytes and the most files of a bucket."""

    capacity_bytes: int
    max_files: int


def require_positive(**values: int | None) -> None:
    """Raise InvalidValueError for the first value that is neither None nor a whole number above 0."""
    for name, value in values.items():
        if value is not None and not (isinstance(value, int) and value > 0):
            raise InvalidValueError(name=name, expected="a whole number above 0", found=value)
