"""The lower bounds against all plans there are."""

from collections.abc import Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.core.packing import CostModel, makespan_s, pack

CAPACITY = 12
few_files = st.lists(st.integers(0, CAPACITY + 2), min_size=1, max_size=6)


def all_plans(sizes: Sequence[int], *, max_files: int) -> Iterator[list[list[int]]]:
    """Every way to divide files into buckets within limits, as lists of sizes."""
    if not sizes:
        yield []
        return
    first, rest = sizes[0], sizes[1:]
    for plan in all_plans(rest, max_files=max_files):
        yield [[first], *plan]
        for at, bucket in enumerate(plan):
            if first + sum(bucket) <= CAPACITY and len(bucket) < max_files:
                yield [*plan[:at], [first, *bucket], *plan[at + 1 :]]


def least_makespan_s(costs_s: Sequence[float], *, free_at: tuple[float, ...]) -> float:
    """The best over all ways to give buckets to workers."""
    if not costs_s:
        return max(free_at)
    return min(
        least_makespan_s(costs_s[1:], free_at=tuple(sorted((*free_at[:w], free_at[w] + costs_s[0], *free_at[w + 1 :]))))
        for w in range(len(free_at))
        if w == 0 or free_at[w] != free_at[w - 1]
    )


@given(sizes=few_files, max_files=st.integers(1, 6))
def test_the_lower_bound_is_never_above_the_optimum(sizes, max_files):
    """No plan has fewer buckets than the bound, so a plan that calls itself optimal is."""
    optimum = min(len(plan) for plan in all_plans(sizes, max_files=max_files))

    packing = pack(sizes, capacity=CAPACITY, max_files=max_files)

    assert packing.lower_bound <= optimum
    assert not packing.optimal or len(packing.buckets) == optimum


@settings(max_examples=40)
@given(sizes=few_files, workers=st.integers(1, 3), per_bucket=st.sampled_from([0, 1, 5]))
def test_the_makespan_bound_is_never_above_the_optimum(sizes, workers, per_bucket):
    """No plan and no dispatch is faster than the bound."""
    cost = CostModel(seconds_per_byte=1, seconds_per_file=1, seconds_per_bucket=per_bucket)
    optimum_s = min(
        least_makespan_s([sum(b) + len(b) + per_bucket for b in plan], free_at=(0.0,) * workers)
        for plan in all_plans(sizes, max_files=6)
    )

    packing = pack(sizes, capacity=CAPACITY, strategy="auto", workers=workers, cost=cost)

    assert packing.makespan_lower_bound_s <= optimum_s + 1e-9
    assert packing.est_makespan_s >= optimum_s - 1e-9


def test_large_files_prove_more_than_their_volume():
    """Files larger than half a bucket each need one, although their bytes would fit into fewer."""
    packing = pack([7, 7, 7, 6, 6], capacity=CAPACITY)

    assert (packing.lower_bound, packing.optimal) == (4, True)


def test_files_too_large_for_any_partner_prove_more_still():
    """What cannot join the largest files needs room beside the others."""
    packing = pack([9, 9, 4, 4, 4, 4], capacity=CAPACITY)

    assert (packing.lower_bound, packing.optimal) == (4, True)


@given(costs_s=st.lists(st.integers(0, 50), max_size=20), workers=st.integers(1, 5))
def test_list_scheduling_is_between_its_bounds(costs_s, workers):
    """The makespan is at least an equal share and the longest bucket, at most both together."""
    makespan = makespan_s(costs_s, workers=workers)

    share, longest = sum(costs_s) / workers, max(costs_s, default=0)
    assert max(share, longest) <= makespan <= share + longest
    assert workers > 1 or makespan == sum(costs_s)


def test_list_scheduling_gives_each_bucket_to_the_first_free_worker():
    """In the given order, not in a better one."""
    assert makespan_s([3, 1, 1, 4], workers=2) == 6
