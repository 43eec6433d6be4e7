"""Open buckets by the room left in them: find the one into which a file fits best.

Theory of operation: best fit asks again and again for the least room that is large enough, the lowest bucket
number among equals. `SortedRooms` answers with a bisection of a sorted list: very fast, but an insertion moves
everything behind it, which is quadratic when hundreds of thousands of buckets stay open. It counts what it
moved, so that its user can change to `RoomTree`: a segment tree over the possible rooms with 1024 children per
node, each node a bit set of its children that are not empty. Four levels cover a capacity of 2**40 bytes, so every
step is a handful of operations whatever the number of open buckets is. Both give the same answers.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

_BITS = 10
_MASK = (1 << _BITS) - 1


class SortedRooms:
    """Open buckets in one sorted list of numbers, each `room * buckets + bucket`.

    `buckets` is larger than every bucket number. `moved` counts how many list entries insertions have moved.
    """

    def __init__(self, *, buckets: int) -> None:
        self.moved = 0
        self._buckets = buckets
        self._keys: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """All open buckets as (room, bucket)."""
        return (divmod(key, self._buckets) for key in self._keys)

    def add(self, bucket: int, *, room: int) -> None:
        """Put an open bucket in; it must not be there already."""
        key = room * self._buckets + bucket
        at = bisect_left(self._keys, key)
        self._keys.insert(at, key)
        self.moved += len(self._keys) - at

    def take(self, size: int) -> int | None:
        """Take out the bucket with the least room that is at least `size`; None when there is none."""
        at = bisect_left(self._keys, size * self._buckets)
        return self._keys.pop(at) % self._buckets if at < len(self._keys) else None


class RoomTree:
    """The same as `SortedRooms` in time that does not depend on the number of open buckets."""

    def __init__(self, rooms: Iterable[tuple[int, int]] = (), *, capacity: int) -> None:
        depth = -(-capacity.bit_length() // _BITS)
        self._levels: list[dict[int, int]] = [{} for _ in range(depth)]
        self._buckets: dict[int, list[int]] = {}
        for room, bucket in rooms:
            self.add(bucket, room=room)

    def add(self, bucket: int, *, room: int) -> None:
        """Put an open bucket in; it must not be there already."""
        if room in self._buckets:
            heappush(self._buckets[room], bucket)
            return
        self._buckets[room] = [bucket]
        position = room
        for level in self._levels:
            parent = position >> _BITS
            children = level.get(parent, 0)
            level[parent] = children | 1 << (position & _MASK)
            if children:
                return
            position = parent

    def take(self, size: int) -> int | None:
        """Take out the bucket with the least room that is at least `size`; None when there is none."""
        room = self._least_from(size)
        if room is None:
            return None
        buckets = self._buckets[room]
        bucket = heappop(buckets)
        if not buckets:
            self._forget(room)
        return bucket

    def _least_from(self, size: int) -> int | None:
        """The least room that is at least `size`: up to a node with such a child, then down to its first leaf."""
        position, height = size, 0
        while not (children := self._levels[height].get(position >> _BITS, 0) >> (position & _MASK)):
            position, height = (position >> _BITS) + 1, height + 1
            if height == len(self._levels):
                return None
        position += _lowest_bit(children)
        for level in reversed(self._levels[:height]):
            position = position << _BITS | _lowest_bit(level[position])
        return position

    def _forget(self, room: int) -> None:
        """Take a room without buckets out of its node, and nodes without children out of theirs."""
        del self._buckets[room]
        position = room
        for level in self._levels:
            parent = position >> _BITS
            level[parent] &= ~(1 << (position & _MASK))
            if level[parent]:
                return
            del level[parent]
            position = parent


def _lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
