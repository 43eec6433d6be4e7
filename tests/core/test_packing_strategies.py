"""The fast strategies against naive ones, and against what is proved of them."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.packing import CostModel, pack, strategies
from millstream.core.packing.limits import NO_LIMIT, Limits
from millstream.core.packing.rooms import RoomTree

FALKENAUER = json.loads((Path(__file__).parents[1] / "data" / "falkenauer.json").read_text())["instances"]

CAPACITY = 30
sizes_of_files = st.lists(st.integers(0, CAPACITY), max_size=60)
files_of_buckets = st.integers(1, 6) | st.just(NO_LIMIT)


def naive(sizes: Sequence[int], *, order: Iterable[int], max_files: int, best: bool) -> list[int]:
    """First or best fit by looking at every bucket."""
    numbers, room, files = [0] * len(sizes), [], []
    for file in order:
        fits = [b for b in range(len(room)) if room[b] >= sizes[file] and files[b] < max_files]
        if not fits:
            fits = [len(room)]
            room.append(CAPACITY)
            files.append(0)
        bucket = min(fits, key=room.__getitem__) if best else fits[0]
        numbers[file] = bucket
        room[bucket] -= sizes[file]
        files[bucket] += 1
    return numbers


def largest_first(sizes: Sequence[int]) -> list[int]:
    """Indices in the order of the decreasing strategies."""
    return sorted(range(len(sizes)), key=lambda file: (-sizes[file], file))


@given(sizes=sizes_of_files, max_files=files_of_buckets)
def test_first_fit_by_segment_tree_is_first_fit(sizes, max_files):
    """Each file gets the very bucket that looking at every bucket would give it."""
    limits = Limits(capacity_bytes=CAPACITY, max_files=max_files)

    assert strategies.first_fit(sizes, limits=limits) == naive(
        sizes, order=range(len(sizes)), max_files=max_files, best=False
    )
    assert strategies.first_fit_decreasing(sizes, limits=limits) == naive(
        sizes, order=largest_first(sizes), max_files=max_files, best=False
    )


@pytest.mark.parametrize("patience", [0, 1, 4096])
@given(sizes=sizes_of_files, max_files=files_of_buckets)
def test_best_fit_is_best_fit_by_bisection_by_tree_and_when_it_changes_over(patience, sizes, max_files):
    """Each file gets the very bucket that looking at every bucket would give it, in both engines."""
    limits = Limits(capacity_bytes=CAPACITY, max_files=max_files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "_PATIENCE", patience)
        in_order = strategies.best_fit(sizes, limits=limits)
        decreasing = strategies.best_fit_decreasing(sizes, limits=limits)

    assert in_order == naive(sizes, order=range(len(sizes)), max_files=max_files, best=True)
    assert decreasing == naive(sizes, order=largest_first(sizes), max_files=max_files, best=True)


@given(
    rooms=st.lists(st.integers(0, 5000) | st.integers(0, 2**40), max_size=40),
    sizes=st.lists(st.integers(0, 5000) | st.integers(0, 2**40), max_size=40),
)
def test_the_tree_finds_the_least_room_that_is_enough(rooms, sizes):
    """Over several levels of the tree, taking gives the bucket with the least room, the lowest among equals."""
    tree = RoomTree(((room, bucket) for bucket, room in enumerate(rooms)), capacity=2**40)
    left = [(room, bucket) for bucket, room in enumerate(rooms)]

    for size in sizes:
        expected = min((entry for entry in left if entry[0] >= size), default=None)

        assert tree.take(size) == (expected and expected[1])
        if expected:
            left.remove(expected)


def test_best_fit_gives_up_bisection_before_it_becomes_quadratic(monkeypatch):
    """With files that all insert at the front of the list, the tree takes over after a bounded number of moves."""
    files = 20_000
    moved = []

    def spy(rooms, *, capacity):
        moved.append(rooms.moved)
        return RoomTree(rooms, capacity=capacity)

    monkeypatch.setattr(strategies, "RoomTree", spy)
    rising = range(files + 1, 2 * files + 1)  # larger than half a bucket, each leaving less room than the last

    numbers = strategies.best_fit(rising, limits=Limits(capacity_bytes=2 * files, max_files=NO_LIMIT))

    assert numbers == list(range(files))
    assert len(moved) == 1
    assert moved[0] <= (strategies._PATIENCE + 1) * files


@given(sizes=sizes_of_files, max_files=files_of_buckets, buckets=st.integers(1, 8), per_file=st.integers(0, 9))
def test_balance_puts_each_file_into_the_cheapest_bucket_with_room(sizes, max_files, buckets, per_file):
    """Each file, largest first, gets the very bucket that looking at every bucket would give it."""
    cost = CostModel(seconds_per_byte=1, seconds_per_file=per_file)
    opened = min(buckets, max(1, sum(size > 0 for size in sizes)))
    load, room, files = [0] * opened, [CAPACITY] * opened, [0] * opened
    expected = [0] * len(sizes)
    for file in largest_first(sizes):
        fits = [b for b in range(len(room)) if room[b] >= sizes[file] and files[b] < max_files]
        if not fits:
            fits = [len(room)]
            load.append(0)
            room.append(CAPACITY)
            files.append(0)
        bucket = min(fits, key=load.__getitem__)
        expected[file] = bucket
        load[bucket] += sizes[file] + per_file
        room[bucket] -= sizes[file]
        files[bucket] += 1

    numbers = strategies.balance(
        sizes, limits=Limits(capacity_bytes=CAPACITY, max_files=max_files), buckets=buckets, cost=cost
    )

    assert numbers == expected


def test_next_fit_keeps_neighbours_together():
    """Files stay in input order; a file that does not fit, by bytes or number, begins the next bucket."""
    limits = Limits(capacity_bytes=10, max_files=3)

    assert strategies.next_fit([6, 5, 5, 1, 0, 0, 0], limits=limits) == [0, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize(("capacity", "buckets"), [(60, 3), (61, 4)])
def test_ffd_needs_one_bucket_more_when_buckets_grow(capacity, buckets):
    """The known anomaly of FFD comes out as published."""
    packing = pack([44, 24, 24, 22, 21, 17, 8, 8, 6, 6], capacity=capacity, strategy="ffd")

    assert len(packing.buckets) == buckets
    assert packing.lower_bound == 3


@pytest.mark.parametrize("strategy", ["ffd", "bfd"])
def test_ffd_and_bfd_miss_the_optimum_where_they_are_known_to(strategy):
    """Five buckets where four would do, and the plan does not call itself optimal."""
    packing = pack([2, 2, 3, 3, 3, 3, 4, 4, 4, 6, 7, 7], capacity=12, strategy=strategy)

    assert len(packing.buckets) == 5
    assert (packing.lower_bound, packing.optimal) == (4, False)


@pytest.mark.parametrize("instance", FALKENAUER, ids=lambda instance: instance["name"])
def test_published_instances_keep_the_proved_ratios(instance):
    """FF and BF use at most 1.7 times, FFD and BFD at most 11/9 of the optimum + 6/9, and no bound exceeds it."""
    sizes, optimum = instance["sizes"][:], instance["optimum"]
    random.Random(1).shuffle(sizes)

    plans = {name: pack(sizes, capacity=instance["capacity"], strategy=name) for name in ("ff", "bf", "ffd", "bfd")}

    for name, plan in plans.items():
        assert plan.lower_bound <= optimum <= len(plan.buckets)
        assert 10 * len(plan.buckets) <= 17 * optimum if name in ("ff", "bf") else True
        assert 9 * len(plan.buckets) <= 11 * optimum + 6 if name in ("ffd", "bfd") else True
