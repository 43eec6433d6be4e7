"""Pack files into buckets, and say how good the plan is.

Theory of operation: a file larger than a bucket gets one of its own; the others are divided by a strategy. With ten
workers and a hundred files the fewest buckets leave half of the workers idle, so `auto` tries strategies that fill
and numbers of buckets to spread over, and keeps what a pool would finish first. How near a plan is to the best
one is measured against lower bounds, of the number of buckets and of the time.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import index

from millstream.core.packing.bounds import large_files_bound, volume_bound
from millstream.core.packing.costs import CostModel, makespan_bound_s, makespan_s
from millstream.core.packing.layout import Bucket, Layout
from millstream.core.packing.limits import NO_LIMIT, Limits, require_positive
from millstream.core.packing.strategies import STRATEGIES, PackStrategy, checked
from millstream.errors import InvalidValueError

STRATEGY_NAMES = (*STRATEGIES, "lpt", "auto")

_GOOD_ENOUGH = 1.01
"""`auto` looks no further once its makespan is this near to the lower bound."""
_FEW_WAVES = 10
"""With more buckets per worker than this, one bucket more or less changes nothing worth a try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """A plan: which files go together, costliest bucket first, as they should be dispatched.

    `buckets` holds indices of the sizes that were packed, ascending, each index in exactly one bucket.
    `sizes_bytes`, `costs_s` (seconds of one worker) and `oversize` (one file, larger than `capacity_bytes`) have an
    entry for each bucket. `strategy` is the one that was used, so never "auto". Fewer than `lower_bound`
    buckets are impossible; fewer than these may be possible unless `optimal`. `est_makespan_s` is how long the
    workers take, `makespan_lower_bound_s` what no plan can beat; both None when their number was not given.
    """

    strategy: str
    capacity_bytes: int
    buckets: list[list[int]]
    sizes_bytes: list[int]
    costs_s: list[float]
    oversize: list[bool]
    lower_bound: int
    est_makespan_s: float | None
    makespan_lower_bound_s: float | None

    @property
    def gap(self) -> int:
        """Buckets above the lower bound."""
        return len(self.buckets) - self.lower_bound

    @property
    def optimal(self) -> bool:
        """Whether the lower bound proves that no plan has fewer buckets."""
        return self.gap == 0


def pack(
    sizes: Sequence[int],
    *,
    capacity: int,
    strategy: str | PackStrategy | None = "ffd",
    workers: int | None = None,
    open_cost: int = 0,
    max_files: int | None = None,
    group: Sequence[Hashable] | None = None,
    cost: CostModel | None = None,
) -> Packing:
    """Pack files of `sizes` bytes into buckets of at most `capacity` bytes and `max_files` files.

    `strategy` is a name of STRATEGY_NAMES or a function from sizes and capacity to bucket numbers, which sees no
    oversize file. None and "auto" mean the lowest estimated makespan when `workers` is given, else "ffd";
    "lpt" without `workers` balances the fewest buckets. `cost` estimates time; `open_cost` adds, to every file,
    the time of so many bytes, and never counts against `capacity`. `group` labels each file: files of one group
    are packed together first, then what is left of all groups. The same input gives the same plan. Raises
    InvalidValueError for values out of range and for a function that breaks a limit.
    """
    sizes = _whole_sizes(sizes)
    require_positive(capacity=capacity, workers=workers, max_files=max_files)
    if open_cost < 0:
        raise InvalidValueError(name="open_cost", expected="bytes, 0 or more", found=open_cost)
    cost = cost or CostModel()
    limits = Limits(capacity_bytes=capacity, max_files=max_files or NO_LIMIT)
    regular = [file for file, size_bytes in enumerate(sizes) if size_bytes <= capacity]
    layout = Layout(
        sizes=sizes,
        groups=_groups(regular, labels=group, files=len(sizes)),
        oversize=[Bucket([file], size_bytes) for file, size_bytes in enumerate(sizes) if size_bytes > capacity],
        fewest=volume_bound(sum(sizes[file] for file in regular), files=len(regular), limits=limits),
        limits=limits,
        cost=replace(cost, seconds_per_file=cost.files_s(size_bytes=open_cost, files=1)),
    )
    name, buckets = _divide(layout, strategy=strategy, workers=workers)
    return _packing(layout, strategy=name, buckets=buckets, workers=workers)


def _divide(layout: Layout, *, strategy: str | PackStrategy | None, workers: int | None) -> tuple[str, list[Bucket]]:
    """The name of the strategy that was used in the end, and the buckets of all files but the oversize."""
    if strategy is None or strategy == "auto":
        if workers:
            return _auto(layout, workers=workers)
        strategy = "ffd"
    if strategy == "lpt":
        return "lpt", layout.spread(_whole_waves(layout, workers=workers or 1))
    if not isinstance(strategy, str):
        name = getattr(strategy, "__name__", type(strategy).__name__)
        return name, layout.fill(checked(strategy))
    if strategy not in STRATEGIES:
        raise InvalidValueError(
            name="strategy",
            expected=f"one of {', '.join(STRATEGY_NAMES)}, or a function",
            found=strategy,
        )
    return strategy, layout.fill(STRATEGIES[strategy])


def _auto(layout: Layout, *, workers: int) -> tuple[str, list[Bucket]]:
    """The candidate with the lowest makespan; the first of equals."""
    bound_s = makespan_bound_s(
        layout.sizes, buckets=layout.fewest + len(layout.oversize), workers=workers, cost=layout.cost
    )
    best: tuple[str, list[Bucket]] = ("", [])
    best_s = float("inf")
    for name, buckets in _candidates(layout, workers=workers):
        candidate_s = makespan_s((cost_s for cost_s, _ in layout.costliest_first(buckets)), workers=workers)
        if candidate_s < best_s:
            best, best_s = (name, buckets), candidate_s
        if best_s <= _GOOD_ENOUGH * bound_s:
            break
    return best


def _candidates(layout: Layout, *, workers: int) -> Iterator[tuple[str, list[Bucket]]]:
    """Plans worth a try, the most promising first, each made when it is asked for."""
    waves = _whole_waves(layout, workers=workers)
    yield "lpt", layout.spread(waves)
    yield "ff", layout.fill(STRATEGIES["ff"])
    yield "ffd", layout.fill(STRATEGIES["ffd"])
    if layout.fewest < _FEW_WAVES * workers:
        step = -(-workers // 10)
        for buckets in range(layout.fewest, layout.fewest + workers + 1, step):
            if buckets != waves:
                yield "lpt", layout.spread(buckets)


def _whole_waves(layout: Layout, *, workers: int) -> int:
    """The least number of buckets that, with the oversize ones, gives every worker equally many."""
    oversize = len(layout.oversize)
    return max(1, -(-(layout.fewest + oversize) // workers)) * workers - oversize


def _packing(layout: Layout, *, strategy: str, buckets: list[Bucket], workers: int | None) -> Packing:
    """Put the costliest bucket first and measure the plan."""
    lower_bound = _lower_bound(layout, found=len(buckets))
    costed = layout.costliest_first(buckets)
    costs_s = [cost_s for cost_s, _ in costed]
    sizes_bytes = [bucket.size_bytes for _, bucket in costed]
    est_makespan_s = makespan_lower_bound_s = None
    if workers:
        est_makespan_s = makespan_s(costs_s, workers=workers)
        makespan_lower_bound_s = makespan_bound_s(layout.sizes, buckets=lower_bound, workers=workers, cost=layout.cost)
    return Packing(
        strategy=strategy,
        capacity_bytes=layout.limits.capacity_bytes,
        buckets=[bucket.files for _, bucket in costed],
        sizes_bytes=sizes_bytes,
        costs_s=costs_s,
        oversize=[size_bytes > layout.limits.capacity_bytes for size_bytes in sizes_bytes],
        lower_bound=lower_bound,
        est_makespan_s=est_makespan_s,
        makespan_lower_bound_s=makespan_lower_bound_s,
    )


def _lower_bound(layout: Layout, *, found: int) -> int:
    """Buckets needed at least, given that `found` are enough for all files but the oversize."""
    fewest = layout.fewest
    if fewest < found:  # otherwise the costlier bound cannot add anything
        capacity = layout.limits.capacity_bytes
        regular = [size_bytes for size_bytes in layout.sizes if size_bytes <= capacity]
        fewest = max(fewest, large_files_bound(regular, capacity=capacity))
    return fewest + len(layout.oversize)


def _groups(regular: list[int], *, labels: Sequence[Hashable] | None, files: int) -> list[list[int]]:
    if labels is None:
        return [regular]
    if len(labels) != files:
        raise InvalidValueError(name="group", expected=f"{files} labels, one for each file", found=len(labels))
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for file in regular:
        groups[labels[file]].append(file)
    return list(groups.values())


def _whole_sizes(sizes: Sequence[int]) -> list[int]:
    """The sizes as plain whole numbers, from whatever counts as one (numpy's included)."""
    for file, size_bytes in enumerate(sizes):
        if not hasattr(size_bytes, "__index__") or size_bytes < 0:
            raise InvalidValueError(name=f"sizes[{file}]", expected="whole bytes, 0 or more", found=size_bytes)
    return [index(size_bytes) for size_bytes in sizes]
