"""Records -> messages.

Theory of operation: a message holds as many whole records as fit into the target, in order; a longer record has one of
its own. Where messages are cut depends on the records alone, not on the pieces in which they come, so each attempt on
a chunk sends the same messages with the same ids. Their body is NDJSON: every record ends with a newline, the last one
too, so bodies can be put together as they are. A message of a single record, if that is asked for, is plain JSON
without one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

NDJSON = "application/x-ndjson"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The body of a message: `records` records, numbered from `first` to `last` (some may be missing in between)."""

    body: bytes
    first: int
    last: int
    records: int


class Packer:
    """Packs the records of one chunk; with a target of 0 bytes each record is a message, without its newline."""

    def __init__(self, *, target_bytes: int) -> None:
        self._target_bytes = target_bytes
        self._rest = b""
        self._numbers: list[int] = []

    def add(self, lines: bytes, *, numbers: range | list[int]) -> Iterator[Packed]:
        """Take records, give the messages that are full; to be run through at once."""
        if not self._target_bytes:
            yield from _single(lines, numbers)
            return
        data, start = self._rest + lines, 0
        self._numbers.extend(numbers)
        while len(data) - start > self._target_bytes:
            end = data.rfind(b"\n", start, start + self._target_bytes) + 1
            end = end or data.find(b"\n", start) + 1  # a record that is longer than the target
            if not start < end < len(data):
                break
            yield self._pack(data[start:end])
            start = end
        self._rest = data[start:]

    def finish(self) -> Iterator[Packed]:
        """The last message, if there is anything left."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield self._pack(rest)

    def _pack(self, body: bytes) -> Packed:
        records = body.count(b"\n")
        numbers, self._numbers = self._numbers[:records], self._numbers[records:]
        return Packed(body=body, first=numbers[0], last=numbers[-1], records=records)


def _single(lines: bytes, numbers: range | list[int]) -> Iterator[Packed]:
    bodies = lines.split(b"\n")
    bodies.pop()
    for body, number in zip(bodies, numbers, strict=True):
        yield Packed(body=body, first=number, last=number, records=1)
