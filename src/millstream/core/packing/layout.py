"""Divide files into buckets, group by group.

Theory of operation: `fill` wants few buckets. Files are packed inside their group first; buckets that stay at
most half full are taken apart again and their files packed together, so that a thousand small folders do not make a
thousand small buckets. `spread` wants a given number of buckets of equal cost: a group gets its share of
them, and groups with less than half a share are spread together. Without groups both see one group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from millstream.core.packing.bounds import volume_bound
from millstream.core.packing.costs import CostModel
from millstream.core.packing.limits import Limits
from millstream.core.packing.strategies import Strategy, balance


class Bucket(NamedTuple):
    """Files that go together, as ascending indices, and their bytes. A tuple, because there may be a million."""

    files: list[int]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Files to be divided.

    `groups` holds indices into `sizes`, ascending, of all files but those in `oversize`, which have a bucket
    each. `fewest` is the number of buckets that all groups need at least, by volume and number.
    """

    sizes: Sequence[int]
    groups: Sequence[list[int]]
    oversize: list[Bucket]
    fewest: int
    limits: Limits
    cost: CostModel

    def fill(self, strategy: Strategy) -> list[Bucket]:
        """Divide into few buckets."""
        if len(self.groups) == 1:
            return self._divide(self.groups[0], strategy)
        kept: list[Bucket] = []
        pool: list[int] = []
        for group in self.groups:
            for bucket in self._divide(group, strategy):
                if self._more_than_half_full(bucket):
                    kept.append(bucket)
                else:
                    pool += bucket.files
        return kept + self._divide(sorted(pool), strategy)

    def spread(self, buckets: int) -> list[Bucket]:
        """Divide into `buckets` buckets of nearly equal cost, or more where the limits ask for it."""
        costs_s = [self.cost.files_s(size_bytes=self._size_bytes(group), files=len(group)) for group in self.groups]
        total_s = sum(costs_s) or 1.0
        kept: list[Bucket] = []
        pool: list[int] = []
        for group, cost_s in zip(self.groups, costs_s, strict=True):
            share = round(buckets * cost_s / total_s)
            if share:
                kept += self._balance(group, share)
            else:
                pool += group
        return kept + self._balance(sorted(pool), buckets - len(kept))

    def costliest_first(self, buckets: list[Bucket]) -> list[tuple[float, Bucket]]:
        """These buckets and the oversize ones in order of dispatch, each with its seconds of one worker."""
        costed = [
            (self.cost.bucket_s(size_bytes=bucket.size_bytes, files=len(bucket.files)), bucket)
            for bucket in buckets + self.oversize
        ]
        return sorted(costed, key=itemgetter(0), reverse=True)

    def _balance(self, files: list[int], buckets: int) -> list[Bucket]:
        needed = volume_bound(self._size_bytes(files), files=len(files), limits=self.limits)
        return self._divide(files, partial(balance, buckets=max(buckets, needed), cost=self.cost))

    def _divide(self, files: list[int], strategy: Strategy) -> list[Bucket]:
        if not files:
            return []
        sizes = [self.sizes[file] for file in files]
        numbers = strategy(sizes, limits=self.limits)
        members: list[list[int]] = [[] for _ in range(max(numbers) + 1)]
        size_bytes = [0] * len(members)
        for file, size, number in zip(files, sizes, numbers, strict=True):
            members[number].append(file)
            size_bytes[number] += size
        return [Bucket(*bucket) for bucket in zip(members, size_bytes, strict=True) if bucket[0]]

    def _more_than_half_full(self, bucket: Bucket) -> bool:
        return 2 * bucket.size_bytes > self.limits.capacity_bytes or 2 * len(bucket.files) > self.limits.max_files

    def _size_bytes(self, files: list[int]) -> int:
        return sum(self.sizes[file] for file in files)
