"""Pack a listing that need not end, in bounded memory.

Theory of operation: first fit, but over a window of `lookback` open buckets. When a file fits into none of them
and the window is full, the fullest one is handed out, because it has the least to win from waiting. This is
what Apache Iceberg does (`util/BinPacking.java`); with a window of 50 it needs a fraction of a percent more buckets than
first fit over all.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from millstream.errors import InvalidValueError

Item = TypeVar("Item")


def pack_stream(
    items: Iterable[Item],
    *,
    size: Callable[[Item], int],
    capacity: int,
    lookback: int = 50,
    max_files: int | None = None,
) -> Iterator[list[Item]]:
    """Yield buckets of items as they fill up, each with its items in input order.

    `size(item)` is its bytes. A bucket holds at most `capacity` bytes and `max_files` items, or one item that is
    larger and comes out at once. No more than `lookback` buckets are held, so memory is bounded when
    `max_files` is given or sizes are not all zero. Raises InvalidValueError, for a negative size only when the
    item is reached.
    """
    for name, value in (("capacity", capacity), ("lookback", lookback), ("max_files", max_files)):
        if value is not None and value < 1:
            raise InvalidValueError(name=name, expected="a whole number above 0", found=value)
    return _first_fit_window(items, size, capacity, lookback, max_files)


def _first_fit_window(
    items: Iterable[Item], size: Callable[[Item], int], capacity: int, lookback: int, max_files: int | None
) -> Iterator[list[Item]]:
    rooms: list[int] = []
    buckets: list[list[Item]] = []
    for item in items:
        size_bytes = size(item)
        if size_bytes < 0:
            raise InvalidValueError(name="size", expected="bytes, 0 or more", found=size_bytes)
        if size_bytes > capacity:
            yield [item]
            continue
        for at, room in enumerate(rooms):  # noqa: B007
            if size_bytes <= room:
                break
        else:
            if len(rooms) == lookback:
                fullest = rooms.index(min(rooms))
                del rooms[fullest]
                yield buckets.pop(fullest)
            at = len(rooms)
            rooms.append(capacity)
            buckets.append([])
        rooms[at] -= size_bytes
        buckets[at].append(item)
        if len(buckets[at]) == max_files:
            del rooms[at]
            yield buckets.pop(at)
    yield from buckets
