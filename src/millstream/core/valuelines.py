"""From the values of messages to lines.

Theory of operation: a record is a line of any bytes, but a value of a topic or a queue may hold newlines. In JSON these
can only stand between tokens, where a space means the same: so a value that is one JSON document stays one record, of
the same length. Any other value with newlines is text, and as many records as it has lines, as in a file; a newline at
its very end adds none. No byte but newlines is touched, so nothing is lost whatever a producer wrote.
"""

import json
from collections.abc import Sequence

NEWLINE = b"\n"
_OPENINGS = (b"{", b"[")
"""Other JSON has no place for a newline, but around it."""


def join_values(values: Sequence[bytes]) -> tuple[bytes, int]:
    """All `values` as records, each with its newline, and how many these are.

    The hot path of sources of messages: most values have no newline, which one count over all of them tells.
    """
    if not values:
        return b"", 0
    data = NEWLINE.join(values) + NEWLINE
    if data.count(NEWLINE) == len(values):
        return data, len(values)
    data = NEWLINE.join([value_records(value) if NEWLINE in value else value for value in values]) + NEWLINE
    return data, data.count(NEWLINE)


def value_records(value: bytes) -> bytes:
    """The record, or the records with newlines between, of one value."""
    whole = value.removesuffix(NEWLINE)
    if NEWLINE in whole and _is_json(whole):
        return whole.replace(NEWLINE, b" ")
    return whole


def _is_json(value: bytes) -> bool:
    """Whether it is one JSON document with a place for newlines."""
    if not value.lstrip().startswith(_OPENINGS):
        return False
    try:
        json.loads(value.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
