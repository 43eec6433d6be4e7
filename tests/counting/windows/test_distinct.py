"""A set of users is a function of its users, however it was put together."""

import datasketches
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.counting.windows.distinct import LG_K, Estimate, Portion, UserSet, union_of

LIMIT = 40
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def hashes(numbers) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64)


def many(count: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def of(*arrays: np.ndarray, limit: int | None = LIMIT) -> UserSet:
    users = UserSet(limit)
    for array in arrays:
        users.add(array)
    return users


def dump(users: UserSet) -> bytes:
    """Everything that a set holds."""
    content = users.content()
    if content is None:
        return b""
    return content.users.tobytes() if content.users is not None else content.sketch.serialize()


def joined(*sets: UserSet) -> UserSet:
    result = UserSet(LIMIT)
    for users in sets:
        result.merge(users)
    return result


@given(HASHES, HASHES, HASHES)
@settings(deadline=None)
def test_a_union_does_not_depend_on_order_grouping_or_repetition(first, second, third):
    """Exact sets, sketches and both mixed join commutatively, associatively and idempotently, to the same bytes."""
    a, b, c = (of(hashes(numbers)) for numbers in (first, second, third))

    left = joined(joined(a, b), c)
    right = joined(c, joined(b, a, b), left)

    assert dump(left) == dump(right)
    assert left.estimate() == right.estimate()


@given(HASHES, st.randoms(use_true_random=False), st.lists(st.integers(0, 60), max_size=6), st.booleans())
@settings(deadline=None)
def test_the_estimate_is_the_same_for_any_order_and_split(numbers, random, cuts, asked):
    """Users in one array, or shuffled, cut, repeated, with questions between them, give the same bytes."""
    whole = of(hashes(numbers))
    shuffled = numbers + numbers[:5]
    random.shuffle(shuffled)
    parts = UserSet(LIMIT)
    for part in np.array_split(hashes(shuffled), sorted(cut for cut in cuts if cut < len(shuffled))):
        parts.add(part)
        if asked:
            parts.estimate()

    assert dump(parts) == dump(whole)
    assert parts.estimate() == whole.estimate()
    assert parts.promoted == (len(set(numbers)) > LIMIT)


@given(st.lists(HASHES, max_size=6))
@settings(deadline=None)
def test_what_is_fresh_makes_up_the_set(lists):
    """Joining what `fresh` gave, in any number of steps, gives the set; no hash comes twice before the promotion."""
    users, copy, given_out = UserSet(LIMIT), UserSet(LIMIT), []
    for numbers in lists:
        users.add(hashes(numbers))
        portion = users.fresh()
        if portion is not None:
            copy.join(portion)
            given_out += [] if portion.users is None else portion.users.tolist()

    assert dump(copy) == dump(users)
    assert users.fresh() is None
    assert len(given_out) == len(set(given_out))


@given(HASHES)
@settings(deadline=None)
def test_an_exact_set_counts_users_whatever_their_number(numbers):
    """Without a limit nothing is ever estimated."""
    count = len(set(numbers))

    assert of(hashes(numbers), limit=None).estimate() == Estimate(users=count, low=count, high=count, exact=True)


@given(st.lists(HASHES, max_size=4))
def test_union_of_is_the_sorted_union(lists):
    """Sorting by hand gives what sets give."""
    expected = sorted(set().union(*lists))

    assert union_of([hashes(numbers) for numbers in lists]).tolist() == expected


def test_a_large_set_that_grows_in_small_steps_is_settled_in_between():
    """Waiting users never outgrow the settled ones by more than a bound, and all are counted."""
    users, array = UserSet(None), many(300_000, seed=1)
    for part in np.array_split(array, 500):
        users.add(part)
        users.add(part[:50])

        assert users._waiting_count <= max(65_536, len(users._settled))

    assert users.estimate().users == len(set(array.tolist()))


def test_a_set_that_may_become_large_lets_more_users_wait():
    """An eighth of what it may hold, and no more; all are counted, repetitions once."""
    users, array = UserSet(4_194_304), many(600_000, seed=2)
    most = 0
    for part in np.array_split(array, 60):
        users.add(part)
        most = max(most, users._waiting_count)

    assert 65_536 < most <= 524_288
    assert users.estimate().users == len(set(array.tolist()))


def test_a_large_union_is_the_same_in_any_order():
    """With a full-sized sketch, too: 300,000 users by arrays, by portions and by merged sets, to the same bytes."""
    array = many(300_000, seed=2)
    by_arrays = UserSet(65_536)
    for part in np.array_split(array, 37):
        by_arrays.add(part)
    by_portions = UserSet(65_536)
    for part in reversed(np.array_split(np.random.default_rng(3).permutation(array), 5)):
        by_portions.join(Portion.of([part, part[:10]]))
    by_merging = of(array[:50_000], limit=65_536)
    by_merging.merge(of(array[40_000:], limit=1_048_576))
    restored = UserSet(65_536)
    restored.join(Portion.from_bytes(dump(by_arrays)))

    assert dump(by_arrays) == dump(by_portions) == dump(by_merging) == dump(restored)
    assert by_arrays.estimate() == by_merging.estimate() == restored.estimate()
    assert not by_arrays.estimate().exact


def test_bounds_of_two_deviations_hold_in_95_of_100_sets_at_least():
    """Of 120 sketches of known sets (seeded) 114 or more have the truth within their bounds, all have it within 1 %."""
    held = 0
    for seed in range(120):
        count = 5_000 + 150 * seed
        estimate = of(many(count, seed=seed), limit=0).estimate()
        held += estimate.low <= count <= estimate.high

        assert abs(estimate.users - count) < 0.01 * count
        assert estimate.low <= estimate.users <= estimate.high

    assert held >= 114


def test_a_set_that_outgrows_its_limit_just_before_it_joins_a_sketch_loses_nobody():
    """Users that wait make a sketch of the set, then another sketch comes: both are in the union."""
    sketch = of(many(50, seed=1)).content()
    waiting, expected = of(many(LIMIT + 1, seed=2)), of(many(50, seed=1), many(LIMIT + 1, seed=2))

    waiting.join(sketch)

    assert dump(waiting) == dump(expected)


def test_a_set_is_promoted_when_it_has_outgrown_its_limit():
    """As many users as the limit are exact, one more is not; repetitions do not count."""
    array = many(LIMIT + 1, seed=1)

    assert not of(array[:-1], array[:-1]).promoted
    assert of(array).promoted


def test_a_sketch_cannot_join_a_set_that_keeps_all_users():
    """The users of a sketch are not known any more."""
    sketch = of(many(100, seed=1)).content()

    assert sketch is not None
    with pytest.raises(ValueError, match="found a sketch"):
        UserSet(None).join(sketch)


def test_bytes_that_are_no_sketch_are_refused():
    """Nothing, too little, something else, and a sketch of another size."""
    smaller = datasketches.cpc_sketch(LG_K - 2).serialize()
    good = dump(of(many(100, seed=1)))
    for wrong in (b"", b"sketch", bytes(40), good[:-3], smaller):
        with pytest.raises(ValueError):
            Portion.from_bytes(wrong)


def test_arrays_that_were_handed_in_are_not_changed():
    """Neither by settling nor by joining."""
    array = hashes([5, 3, 5, 1])
    users = of(array)
    users.estimate()

    assert array.tolist() == [5, 3, 5, 1]
    assert dump(users) == hashes([1, 3, 5]).tobytes()


def test_the_hash_of_the_sketch_is_what_it_was():
    """State of earlier versions can be joined: a known set has a known estimate."""
    estimate = of(np.arange(100_000, dtype=np.uint64), limit=10).estimate()

    assert estimate == Estimate(users=100092, low=99552, high=100637, exact=False)
