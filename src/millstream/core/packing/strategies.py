"""Strategies: for each file the number of its bucket.

Theory of operation: a strategy sees sizes, none of them larger than a bucket, and answers with bucket numbers; it
knows nothing of oversize files, groups or costs (`balance` apart). Where files are taken largest first, equal ones
stay in input order, and where buckets are equally good, the lowest number wins, so the answer is a function of
the sizes.

First fit asks for the first bucket with enough room: a segment tree holds the largest room below each node, and
buckets that were never opened are leaves with all their room. Best fit asks for the fullest one (see
`rooms`). `balance` is Graham's longest processing time first (1969) under a cap on bytes: a file goes to the
bucket of least cost into which it fits. Files come in decreasing size, so a bucket that was too full for one file
is set aside exactly until a file comes that fits. All of them take O(n log n).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush, heapreplace
from operator import index
from typing import Protocol, SupportsIndex

from millstream.core.packing.costs import CostModel
from millstream.core.packing.limits import Limits
from millstream.core.packing.rooms import RoomTree, SortedRooms
from millstream.core.packing.stream import pack_stream
from millstream.errors import InvalidValueError

PackStrategy = Callable[[Sequence[int], int], Iterable[int]]
"""A user's strategy: sizes and capacity in bytes -> for each file the number of its bucket."""

_PATIENCE = 4096
"""List entries moved per file after which best fit changes to its tree: then they have cost as much as the tree
itself would (bench/packing.py)."""


class Strategy(Protocol):
    """Sizes, each at most `limits.capacity_bytes` -> for each file the number of its bucket, counted from 0."""

    def __call__(self, sizes: Sequence[int], *, limits: Limits) -> list[int]:
        """Divide the files."""
        ...


def next_fit(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """Keep one bucket open; begin the next one when a file does not fit. Files stay in input order."""
    numbers = []
    bucket, room, places = 0, limits.capacity_bytes, limits.max_files
    for size in sizes:
        if size > room or not places:
            bucket, room, places = bucket + 1, limits.capacity_bytes, limits.max_files
        room -= size
        places -= 1
        numbers.append(bucket)
    return numbers


def windowed_first_fit(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """First fit among the 50 buckets that are still open; see `pack_stream`."""
    numbers = [0] * len(sizes)
    buckets = pack_stream(
        range(len(sizes)),
        size=sizes.__getitem__,
        capacity=limits.capacity_bytes,
        max_files=limits.max_files,
    )
    for bucket, files in enumerate(buckets):
        for file in files:
            numbers[file] = bucket
    return numbers


def first_fit(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """Put each file into the first bucket with room, in input order: at most 1.7 times the fewest buckets."""
    leaves = 1 << _most_buckets(sizes, limits=limits).bit_length()
    room = [limits.capacity_bytes] * (2 * leaves)
    places = [limits.max_files] * leaves
    numbers = []
    for size in sizes:
        node = 1
        while node < leaves:
            node += node
            if room[node] < size:
                node += 1
        bucket = node - leaves
        numbers.append(bucket)
        places[bucket] -= 1
        most = room[node] - size if places[bucket] else -1
        room[node] = most
        while node > 1:
            if room[node ^ 1] > most:  # noqa: PLR1730 - max() costs a call, this is the innermost loop
                most = room[node ^ 1]
            node >>= 1
            if room[node] == most:
                break
            room[node] = most
    return numbers


def best_fit(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """Put each file into the fullest bucket with room, in input order: at most 1.7 times the fewest buckets."""
    numbers = []
    room: list[int] = []
    places: list[int] = []
    rooms: SortedRooms | RoomTree = SortedRooms(buckets=len(sizes))
    for size in sizes:
        bucket = rooms.take(size)
        if bucket is None:
            bucket = len(room)
            room.append(limits.capacity_bytes)
            places.append(limits.max_files)
        numbers.append(bucket)
        room[bucket] -= size
        places[bucket] -= 1
        if places[bucket]:
            rooms.add(bucket, room=room[bucket])
        if isinstance(rooms, SortedRooms) and rooms.moved > _PATIENCE * len(sizes):
            rooms = RoomTree(rooms, capacity=limits.capacity_bytes)
    return numbers


def first_fit_decreasing(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """First fit, largest file first: at most 11/9 of the fewest buckets + 6/9 (Dosa 2007)."""
    return _largest_first(first_fit, sizes, limits=limits)


def best_fit_decreasing(sizes: Sequence[int], *, limits: Limits) -> list[int]:
    """Best fit, largest file first: at most 11/9 of the fewest buckets in the limit."""
    return _largest_first(best_fit, sizes, limits=limits)


def balance(sizes: Sequence[int], *, limits: Limits, buckets: int, cost: CostModel) -> list[int]:
    """Spread files over `buckets` buckets of nearly equal cost, or over more where the limits ask for it.

    An empty file never gets a bucket of its own, so there are at most as many buckets as files with content.
    """
    opened = min(buckets, max(1, len(sizes) - sizes.count(0)))
    return _largest_first(partial(_cheapest_fit, opened=opened, cost=cost), sizes, limits=limits)


def checked(strategy: PackStrategy) -> Strategy:
    """A user's function as a strategy; what it answers is held to the limits, else InvalidValueError.

    The error names files by their position in the sizes that the function was given.
    """

    def call(sizes: Sequence[int], *, limits: Limits) -> list[int]:
        numbers = _whole_numbers(strategy(tuple(sizes), limits.capacity_bytes), files=len(sizes))
        size_bytes: Counter[int] = Counter()
        for number, size in zip(numbers, sizes, strict=True):
            size_bytes[number] += size
        files = Counter(numbers)
        for what, found, limit in (
            ("bytes", size_bytes, limits.capacity_bytes),
            ("files", files, limits.max_files),
        ):
            for number, amount in found.items():
                if amount > limit:
                    raise InvalidValueError(
                        name=f"strategy: {what} in bucket {number}", expected=f"at most {limit}", found=amount
                    )
        dense = {number: bucket for bucket, number in enumerate(files)}
        return [dense[number] for number in numbers]

    return call


STRATEGIES: Mapping[str, Strategy] = {
    "nf": next_fit,
    "wff": windowed_first_fit,
    "ff": first_fit,
    "ffd": first_fit_decreasing,
    "bf": best_fit,
    "bfd": best_fit_decreasing,
}


def _largest_first(strategy: Strategy, sizes: Sequence[int], *, limits: Limits) -> list[int]:
    order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    numbers = [0] * len(sizes)
    for file, bucket in zip(order, strategy([sizes[file] for file in order], limits=limits), strict=True):
        numbers[file] = bucket
    return numbers


def _most_buckets(sizes: Sequence[int], *, limits: Limits) -> int:
    """As many buckets as first fit can open: all but one are more than half full, or closed by count."""
    half_full = 2 * sum(sizes) // limits.capacity_bytes
    return min(len(sizes), half_full + len(sizes) // limits.max_files + 1)


def _cheapest_fit(sizes: Sequence[int], *, limits: Limits, opened: int, cost: CostModel) -> list[int]:
    """Put each file into the bucket of least cost with room; sizes are decreasing."""
    numbers = []
    room, places = [limits.capacity_bytes] * opened, [limits.max_files] * opened
    ready = [(0.0, bucket) for bucket in range(opened)]
    set_aside: list[tuple[int, float, int]] = []
    for size in sizes:
        while set_aside and -set_aside[0][0] >= size:
            heappush(ready, heappop(set_aside)[1:])
        while ready and room[ready[0][1]] < size:
            load_s, bucket = heappop(ready)
            heappush(set_aside, (-room[bucket], load_s, bucket))
        if not ready:
            ready.append((0.0, len(room)))
            room.append(limits.capacity_bytes)
            places.append(limits.max_files)
        load_s, bucket = ready[0]
        numbers.append(bucket)
        room[bucket] -= size
        places[bucket] -= 1
        if places[bucket]:
            heapreplace(ready, (load_s + size * cost.seconds_per_byte + cost.seconds_per_file, bucket))
        else:
            heappop(ready)
    return numbers


def _whole_numbers(answer: object, *, files: int) -> list[int]:
    """What a user's strategy answered, if it is one whole number for each file."""
    if not isinstance(answer, Iterable):
        raise InvalidValueError(name="strategy", expected="to answer with bucket numbers", found=answer)
    numbers = []
    for file, number in enumerate(answer):
        if not isinstance(number, SupportsIndex):
            raise InvalidValueError(name=f"strategy: bucket of file {file}", expected="a whole number", found=number)
        numbers.append(index(number))
    if len(numbers) != files:
        raise InvalidValueError(
            name="strategy: number of answers", expected=f"{files}, one for each file", found=len(numbers)
        )
    return numbers
