"""`pack`: what every plan promises, whatever the strategy."""

from collections.abc import Sequence
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.packing import STRATEGY_NAMES, CostModel, Packing, pack, pack_stream
from millstream.errors import InvalidValueError

CAPACITY = 10
sizes_of_files = st.lists(st.integers(0, CAPACITY + 3), max_size=40)
names = st.sampled_from(STRATEGY_NAMES)


def check_plan(packing: Packing, sizes: Sequence[int], *, max_files: int | None = None) -> None:
    """Everything a plan promises."""
    assert sorted(chain.from_iterable(packing.buckets)) == list(range(len(sizes)))
    for bucket, size_bytes, oversize in zip(packing.buckets, packing.sizes_bytes, packing.oversize, strict=True):
        assert bucket
        assert bucket == sorted(bucket)
        assert size_bytes == sum(sizes[file] for file in bucket)
        assert oversize == (size_bytes > packing.capacity_bytes)
        assert len(bucket) == 1 if oversize else len(bucket) <= (max_files or len(sizes))
    assert packing.costs_s == sorted(packing.costs_s, reverse=True)
    assert len(packing.costs_s) == len(packing.buckets)
    assert packing.gap >= 0
    assert packing.optimal == (packing.lower_bound == len(packing.buckets))


@given(
    sizes=sizes_of_files,
    strategy=names,
    workers=st.none() | st.integers(1, 12),
    max_files=st.none() | st.integers(1, 5),
    open_cost=st.integers(0, 100),
    groups=st.none() | st.integers(1, 4),
)
def test_every_file_is_in_exactly_one_bucket_and_limits_hold(sizes, groups, **options):
    """Each index is in one bucket, no bucket breaks a limit, and the costliest one comes first."""
    options["group"] = groups and [file * file % 7 % groups for file in range(len(sizes))]

    packing = pack(sizes, capacity=CAPACITY, **options)

    check_plan(packing, sizes, max_files=options["max_files"])
    assert (packing.est_makespan_s is None) == (options["workers"] is None)
    assert packing == pack(sizes, capacity=CAPACITY, **options)


@given(sizes=sizes_of_files, strategy=names, workers=st.integers(1, 12))
def test_an_empty_file_has_a_bucket_of_its_own_only_when_there_is_no_other(sizes, strategy, workers):
    """Files of zero bytes join a bucket that exists, unless all others are oversize."""
    packing = pack(sizes, capacity=CAPACITY, strategy=strategy, workers=workers)

    assert packing.sizes_bytes.count(0) == (0 in sizes and not any(0 < size <= CAPACITY for size in sizes))


@given(sizes=sizes_of_files, workers=st.integers(1, 12), cost=st.sampled_from([1e-9, 1e-3, 0.1]))
def test_auto_is_as_good_as_the_best_strategy_it_tries(sizes, workers, cost):
    """No strategy of its portfolio has a makespan more than one percent better than auto."""
    options = {"capacity": CAPACITY, "workers": workers, "cost": CostModel(seconds_per_byte=cost)}

    auto = pack(sizes, strategy="auto", **options)

    for name in ("ff", "ffd", "lpt"):
        assert auto.est_makespan_s <= pack(sizes, strategy=name, **options).est_makespan_s * 1.010001
    assert auto.est_makespan_s >= auto.makespan_lower_bound_s * 0.999999


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_no_files_make_no_buckets(strategy):
    """An empty listing is a plan without buckets, and optimal."""
    packing = pack([], capacity=CAPACITY, strategy=strategy, workers=3)

    assert (packing.buckets, packing.lower_bound, packing.optimal) == ([], 0, True)
    assert packing.est_makespan_s == packing.makespan_lower_bound_s == 0


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_only_oversize_files_make_a_flagged_bucket_each_and_nothing_else(strategy):
    """Files that are all larger than a bucket leave no empty bucket behind."""
    packing = pack([11, 30, 12], capacity=CAPACITY, strategy=strategy, workers=3)

    assert packing.buckets == [[1], [2], [0]]
    assert packing.oversize == [True, True, True]
    assert packing.optimal


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_a_file_of_exactly_the_capacity_is_not_oversize(strategy):
    """The capacity itself is allowed."""
    packing = pack([10, 10], capacity=CAPACITY, strategy=strategy, workers=1)

    assert packing.sizes_bytes == [10, 10]
    assert packing.oversize == [False, False]


def test_the_strategy_follows_from_the_workers_when_none_is_given():
    """Without a strategy: fewest buckets when workers are unknown, lowest makespan when they are known."""
    sizes = [1] * 20

    assert pack(sizes, capacity=CAPACITY, strategy=None).strategy == "ffd"
    assert pack(sizes, capacity=CAPACITY, strategy="auto").strategy == "ffd"
    assert pack(sizes, capacity=CAPACITY, strategy=None, workers=10).strategy == "lpt"
    assert len(pack(sizes, capacity=CAPACITY, strategy="auto", workers=10).buckets) == 10


def test_open_cost_balances_files_instead_of_bytes():
    """With a dear open cost a bucket of one large file equals one of few small files, not of many."""
    sizes = [8, *[1] * 8]
    free = CostModel(seconds_per_file=0, seconds_per_bucket=0)

    by_bytes = pack(sizes, capacity=CAPACITY, strategy="lpt", workers=2, cost=free)
    by_files = pack(sizes, capacity=CAPACITY, strategy="lpt", workers=2, cost=free, open_cost=1000)

    assert sorted(map(len, by_bytes.buckets)) == [1, 8]
    assert sorted(map(len, by_files.buckets)) == [3, 6]  # two of the small ones fill the bucket of the large one


def test_a_group_is_packed_together_before_what_is_left_is_pooled():
    """Full buckets hold one group; what leaves a bucket at most half full shares buckets with other groups."""
    sizes, group = [6, 5, 4, 5, 3, 2], ["a", "b", "a", "b", "a", "b"]

    packing = pack(sizes, capacity=CAPACITY, group=group)

    assert sorted(packing.buckets) == [[0, 2], [1, 3], [4, 5]]


def test_balancing_gives_each_group_its_share_of_the_buckets():
    """Two folders of equal cost keep five of ten buckets each, and no bucket mixes them."""
    group = ["a", "b"] * 25

    packing = pack([1] * 50, capacity=CAPACITY, strategy="lpt", workers=10, group=group)

    assert [len(bucket) for bucket in packing.buckets] == [5] * 10
    assert all(len({group[file] for file in bucket}) == 1 for bucket in packing.buckets)


def test_a_function_of_the_user_is_a_strategy():
    """A function from sizes and capacity to bucket numbers divides all but the oversize files."""
    seen = []

    def by_size(sizes: Sequence[int], capacity: int) -> list[int]:
        seen.append((sizes, capacity))
        return list(sizes)

    packing = pack([3, 11, 2, 3], capacity=CAPACITY, strategy=by_size)

    assert seen == [((3, 2, 3), CAPACITY)]
    assert packing.strategy == "by_size"
    assert packing.buckets == [[0, 3], [1], [2]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _sizes, _capacity: None, "strategy: expected to answer with bucket numbers, found None"),
        (lambda _sizes, _capacity: [0, 1], "strategy: number of answers: expected 3, one for each file, found 2"),
        (lambda _sizes, _capacity: [0, 1, "x"], "strategy: bucket of file 2: expected a whole number, found 'x'"),
        (lambda _sizes, _capacity: [4, 4, 4], "strategy: bytes in bucket 4: expected at most 10, found 12"),
        (lambda _sizes, _capacity: [7, 8, 7], "strategy: files in bucket 7: expected at most 1, found 2"),
    ],
)
def test_a_function_that_breaks_a_rule_is_named_with_what_it_did(answer, message):
    """The error says which file or bucket broke which rule."""
    with pytest.raises(InvalidValueError) as caught:
        pack([4, 5, 3], capacity=CAPACITY, strategy=answer, max_files=1)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity: expected a whole number above 0, found 0"),
        ({"capacity": 1e7}, "capacity: expected a whole number above 0, found 10000000.0"),
        ({"workers": 0}, "workers: expected a whole number above 0, found 0"),
        ({"max_files": 0}, "max_files: expected a whole number above 0, found 0"),
        ({"open_cost": -1}, "open_cost: expected bytes, 0 or more, found -1"),
        ({"group": ["a"]}, "group: expected 2 labels, one for each file, found 1"),
        (
            {"strategy": "best"},
            "strategy: expected one of nf, wff, ff, ffd, bf, bfd, lpt, auto, or a function, found 'best'",
        ),
        ({"sizes": [1, -2]}, "sizes[1]: expected whole bytes, 0 or more, found -2"),
        ({"sizes": [1.5]}, "sizes[0]: expected whole bytes, 0 or more, found 1.5"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(options, message):
    """Each argument out of range is an error that says what was expected and found."""
    with pytest.raises(InvalidValueError) as caught:
        pack(**({"sizes": [1, 2], "capacity": CAPACITY} | options))

    assert str(caught.value) == message


@given(sizes=sizes_of_files, lookback=st.integers(1, 4), max_files=st.none() | st.integers(1, 4))
def test_a_stream_is_packed_within_limits_and_with_bounded_memory(sizes, lookback, max_files):
    """Every item comes out once, in a bucket within limits, and few buckets are held back at any time."""
    taken = []
    given_out = []

    for bucket in pack_stream(
        (taken.append(item) or item for item in enumerate(sizes)),
        size=lambda item: item[1],
        capacity=CAPACITY,
        lookback=lookback,
        max_files=max_files,
    ):
        given_out.append(bucket)
        assert sum(size for _, size in bucket) <= CAPACITY or len(bucket) == 1
        assert len(bucket) <= (max_files or len(sizes))
        waiting = sum(size for _, size in taken) - sum(size for _, size in chain.from_iterable(given_out))
        assert waiting <= (lookback + 1) * CAPACITY

    assert sorted(chain.from_iterable(given_out)) == list(enumerate(sizes))


def test_a_stream_gives_out_the_fullest_bucket_when_its_window_is_full():
    """The fullest open bucket leaves first; an oversize item leaves at once."""
    stream = pack_stream(iter([4, 8, 11, 7]), size=int, capacity=CAPACITY, lookback=2)

    assert list(stream) == [[11], [8], [4], [7]]


def test_an_endless_stream_is_packed_as_it_comes():
    """Buckets come out although the listing never ends."""
    endless = iter(lambda: 3, None)

    stream = pack_stream(endless, size=int, capacity=CAPACITY, lookback=2)

    assert [next(stream) for _ in range(3)] == [[3, 3, 3]] * 3


def test_a_stream_refuses_wrong_limits_at_once_and_a_wrong_size_when_it_comes():
    """Limits are checked before the first item is taken."""
    with pytest.raises(InvalidValueError, match="lookback: expected a whole number above 0, found 0"):
        pack_stream([1], size=int, capacity=CAPACITY, lookback=0)

    with pytest.raises(InvalidValueError, match="size: expected bytes, 0 or more, found -1"):
        list(pack_stream([1, -1], size=int, capacity=CAPACITY))
