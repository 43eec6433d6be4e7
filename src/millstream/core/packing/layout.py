"""Divide files into buckets, group by group.

Theory of operation: `fill` wants few buckets. Files are packed inside their group first; buckets that stay at
most half full are taken apart again and their files packed together, so that a thousand small folders do not make a
thousand small buckets. `spread` wants a given number of buckets of equal cost: a group gets its share of
them, and groups with less than half a share are spread together. Without groups both see one group.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from millstream.core.packing.bounds import volume_bound
from millstream.core.packing.costs import CostModel
from millstream.core.packing.limits import Limits
from millstream.core.packing.strategies import Strategy, balance

Buckets = list[list[int]]
"""Each bucket as indices of files, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Files to be divided.

    `groups` holds indices into `sizes`, ascending, of all files but those in `oversize`, which have a bucket
    each. `fewest` is the number of buckets that all groups need at least, by volume and number.
    """

    sizes: Sequence[int]
    groups: Buckets
    oversize: Buckets
    fewest: int
    limits: Limits
    cost: CostModel

    def fill(self, strategy: Strategy) -> Buckets:
        """Divide into few buckets."""
        if len(self.groups) == 1:
            return self._divide(self.groups[0], strategy)
        kept: Buckets = []
        pool: list[int] = []
        for group in self.groups:
            for bucket in self._divide(group, strategy):
                if self._more_than_half_full(bucket):
                    kept.append(bucket)
                else:
                    pool += bucket
        return kept + self._divide(sorted(pool), strategy)

    def spread(self, buckets: int) -> Buckets:
        """Divide into `buckets` buckets of nearly equal cost, or more where the limits ask for it."""
        total_s = sum(map(self._files_s, self.groups))
        kept: Buckets = []
        pool: list[int] = []
        for group in self.groups:
            share = round(buckets * self._files_s(group) / total_s) if total_s else 0
            if share:
                kept += self._balance(group, share)
            else:
                pool += group
        return kept + self._balance(sorted(pool), buckets - len(kept))

    def costliest_first(self, buckets: Buckets) -> list[tuple[float, list[int], int]]:
        """These buckets and the oversize ones as (seconds of one worker, bucket, bytes) in order of dispatch."""
        rows = []
        for bucket in buckets + self.oversize:
            size_bytes = self._size_bytes(bucket)
            rows.append((self.cost.bucket_s(size_bytes=size_bytes, files=len(bucket)), bucket, size_bytes))
        return sorted(rows, key=lambda row: (-row[0], row[1]))

    def _balance(self, files: Sequence[int], buckets: int) -> Buckets:
        needed = volume_bound(self._size_bytes(files), files=len(files), limits=self.limits)
        return self._divide(files, partial(balance, buckets=max(buckets, needed), cost=self.cost))

    def _divide(self, files: Sequence[int], strategy: Strategy) -> Buckets:
        if not files:
            return []
        numbers = strategy([self.sizes[file] for file in files], limits=self.limits)
        buckets: defaultdict[int, list[int]] = defaultdict(list)
        for file, number in zip(files, numbers, strict=True):
            buckets[number].append(file)
        return list(buckets.values())

    def _more_than_half_full(self, bucket: Sequence[int]) -> bool:
        return 2 * self._size_bytes(bucket) > self.limits.capacity_bytes or 2 * len(bucket) > self.limits.max_files

    def _size_bytes(self, files: Sequence[int]) -> int:
        return sum(map(self.sizes.__getitem__, files))

    def _files_s(self, files: Sequence[int]) -> float:
        return self.cost.files_s(size_bytes=self._size_bytes(files), files=len(files))
