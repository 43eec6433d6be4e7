"""Moments and places to start from, as people write them: `2025-07-20T12:00:00Z`, `1753012800`, `earliest`.

Theory of operation: digits alone are Unix seconds, everything else is ISO 8601. A date or time that names no zone is
one of UTC: what it means must not depend on the machine that reads it.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum

from millstream.errors import InvalidValueError

LATEST_UNIX_S = 100_000_000_000
"""What is larger was meant as milliseconds; as seconds it would be the year 5138."""
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,9})?", flags=re.ASCII)


class Edge(StrEnum):
    """An end of a log."""

    EARLIEST = "earliest"
    LATEST = "latest"


Start = Edge | float
"""Where to start in a log: at one of its ends, or at what was written at that time, in Unix seconds, or later."""


def parse_moment(text: str, *, name: str = "time") -> float:
    """Read a time as Unix seconds; raises InvalidValueError."""
    seconds = _moment(text.strip())
    if seconds is None or not 0 <= seconds < LATEST_UNIX_S:
        raise InvalidValueError(
            name=name, expected="a time such as 2025-07-20T12:00:00Z, 2025-07-20 (UTC) or Unix seconds", found=text
        )
    return seconds


def parse_start(text: str, *, name: str = "from") -> Start:
    """Read `earliest`, `latest` or a time; raises InvalidValueError."""
    if text in set(Edge):
        return Edge(text)
    try:
        return parse_moment(text, name=name)
    except InvalidValueError:
        raise InvalidValueError(
            name=name,
            expected="earliest, latest or a time such as 2025-07-20T12:00:00Z, 2025-07-20 (UTC) or Unix seconds",
            found=text,
        ) from None


def _moment(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
