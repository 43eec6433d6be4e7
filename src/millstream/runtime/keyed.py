"""Records by their key: apart within a block, and once more out of a log."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from millstream.ports import Spool

KeyReader = Callable[[Sequence[bytes]], list[str | None]]
"""The key of each record; None where it has none."""


def grouped(records: Sequence[bytes], keys: Sequence[str | None]) -> dict[str | None, list[bytes]]:
    """The records of each key, in order; keys in the order of their first record.

    On the hot path of streams with keys, measured by bench/stream.py.
    """
    groups: dict[str | None, list[bytes]] = {}
    for record, key in zip(records, keys, strict=True):
        if key in groups:
            groups[key].append(record)
        else:
            groups[key] = [record]
    return groups


def positions(records: Sequence[bytes], keys: Sequence[str | None], wanted: str | None, *, start: int) -> list[int]:
    """Where the records of one key lie in the main log, in a block that begins at `start`."""
    starts = accumulate((len(record) + 1 for record in records), initial=start)
    return [position for position, key in zip(starts, keys, strict=False) if key == wanted]


def replayed(
    spool: Spool, log: str, *, start: int, end: int, key_reader: KeyReader
) -> Iterator[tuple[int, str | None, bytes]]:
    """Position, key and bytes of each record in a part of a log that begins and ends with a whole one.

    Raises SpoolDamagedError.
    """
    position, rest = start, b""
    for piece in spool.read(log, [(start, end)]):
        *records, rest = (rest + piece).split(b"\n")
        for record, key in zip(records, key_reader(records), strict=True):
            yield position, key, record + b"\n"
            position += len(record) + 1
