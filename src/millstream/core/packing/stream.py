"""Pack a listing that need not end, in bounded memory.

Theory of operation: first fit, but over a window of `lookback` open buckets. When a file fits into none of them
and the window is full, the fullest one is handed out, because it has the least to win from waiting. Apache
Iceberg does the same (`util/BinPacking.java`). With a window of 50 it needs a fraction of a percent more buckets
than first fit over all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from millstream.core.packing.limits import require_positive
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
    larger and comes out at once. No more than `lookback` buckets are held, so memory is bounded (for endless
    empty items only with `max_files`). Raises InvalidValueError: at once for a limit, when it is reached for an
    item of negative size.
    """
    require_positive(capacity=capacity, lookback=lookback, max_files=max_files)
    return _pack_stream(items, size=size, capacity=capacity, lookback=lookback, max_files=max_files)


def _pack_stream(
    items: Iterable[Item],
    *,
    size: Callable[[Item], int],
    capacity: int,
    lookback: int,
    max_files: int | None,
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
        at = _first_with_room(rooms, size_bytes=size_bytes)
        if at == lookback:
            at = rooms.index(min(rooms))
            del rooms[at]
            yield buckets.pop(at)
            at = len(rooms)
        if at == len(rooms):
            rooms.append(capacity)
            buckets.append([])
        rooms[at] -= size_bytes
        buckets[at].append(item)
        if len(buckets[at]) == max_files:
            del rooms[at]
            yield buckets.pop(at)
    yield from buckets


def _first_with_room(rooms: Sequence[int], *, size_bytes: int) -> int:
    """The first place with that much room, or the one after the last."""
    for at, room in enumerate(rooms):
        if room >= size_bytes:
            return at
    return len(rooms)
