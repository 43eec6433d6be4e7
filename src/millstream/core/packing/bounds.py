"""How few buckets there can be.

Theory of operation: the bytes of all files need their volume. Martello and Toth (1990, bound L2) add that files larger
than half a bucket cannot share one. Take one of them: those at least as large share with no file that is too large to
share with this one, so such files must fit beside the other large ones, or into further buckets. The bound is the
best over all large files; their thresholds are the only ones at which L2 can change.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from millstream.core.packing.limits import Limits


def volume_bound(size_bytes: int, *, files: int, limits: Limits) -> int:
    """Buckets needed at least by `files` files of `size_bytes` bytes together."""
    return max(-(-size_bytes // limits.capacity_bytes), -(-files // limits.max_files))


def large_files_bound(sizes: Sequence[int], *, capacity: int) -> int:
    """Buckets needed at least because large files cannot share one; sizes are at most `capacity`."""
    large = sorted(size for size in sizes if 2 * size > capacity)
    if not large:
        return 0
    small = sorted(size for size in sizes if large[-1] + size > capacity >= 2 * size)
    large_below = list(accumulate(large, initial=0))
    small_below = list(accumulate(small, initial=0))
    bound = 0
    for sharing, size in enumerate(large):
        spare = sharing * capacity - large_below[sharing]
        volume = small_below[-1] - small_below[bisect_right(small, capacity - size)]
        bound = max(bound, len(large) - min(0, (spare - volume) // capacity))
    return bound
