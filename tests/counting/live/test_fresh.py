"""What waits for a commit, and what was told already."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.live.fresh import FOLD_AT, Fresh
from millstream.counting.model import ALL_SIZES, Delta, Size

LARGER = ALL_SIZES & ~Size.MINUTE.bit


def delta(minute: int, *users: int, counted: int = ALL_SIZES, late: int = 0) -> Delta:
    array = np.array(users, dtype=np.uint64)
    return Delta(minute=minute, users=array, frames=len(users), counted=counted, late=late)


def told(fresh: Fresh) -> dict[int, set[int]]:
    return {each.minute: set(each.users.tolist()) for each in fresh.deltas()}


steps = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=12), st.sampled_from(["commit", "ask"])
    ),
    max_size=12,
)


@given(steps)
def test_commits_together_hold_all_users(script: list):
    """However commits fall, what they hold together is what came, and no user is told twice of a minute."""
    fresh, came, committed, frames = Fresh(grace_s=60), set(), [], 0
    for step in script:
        if step == "commit":
            committed += [(each.minute, user) for each in fresh.deltas() for user in each.users.tolist()]
            frames += sum(each.frames for each in fresh.deltas())
            fresh.committed(None)
        elif step == "ask":
            fresh.deltas()
        else:
            fresh.add([delta(60 * minute, user) for minute, user in step])
            came |= {(60 * minute, user) for minute, user in step}
    committed += [(each.minute, user) for each in fresh.deltas() for user in each.users.tolist()]
    frames += sum(each.frames for each in fresh.deltas())

    assert sorted(committed) == sorted(came)
    assert frames == sum(len(step) for step in script if isinstance(step, list))


def test_nothing_is_remembered_before_the_commit():
    """What was only asked for is told again."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, 1, 2)])
    fresh.deltas()
    fresh.add([delta(0, 2, 3)])

    assert told(fresh) == {0: {1, 2, 3}}


def test_frames_count_though_their_users_were_told():
    """A delta may have frames and no users."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, 1)])
    fresh.deltas()
    fresh.committed(None)
    fresh.add([delta(0, 1, 1)])

    (again,) = fresh.deltas()

    assert (again.frames, len(again.users)) == (2, 0)


def test_a_minute_past_its_grace_is_forgotten():
    """Its users are told again, should frames of it come."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, 1), delta(60, 1)])
    fresh.deltas()
    fresh.committed(120)
    fresh.add([delta(0, 1), delta(60, 1)])

    assert told(fresh) == {0: {1}, 60: set()}


def test_users_of_larger_windows_only_are_told_again_for_the_minute():
    """What did not count for the minute is not remembered for it."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, 1, counted=LARGER)])
    fresh.deltas()
    fresh.committed(None)
    fresh.add([delta(0, 1)])

    assert told(fresh) == {0: {1}}


def test_frames_that_are_late_differently_stay_apart():
    """Each kind is a delta of its own."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, 1), delta(0, 1, late=1), delta(0, 1, counted=LARGER, late=1)])

    kinds = [(each.counted, each.late, each.frames) for each in fresh.deltas()]

    assert sorted(kinds) == sorted([(ALL_SIZES, 0, 1), (ALL_SIZES, 1, 1), (LARGER, 1, 1)])


def test_users_that_came_often_count_as_one_after_a_while():
    """How many users wait is exact as soon as many wait."""
    fresh = Fresh(grace_s=60)
    fresh.add([delta(0, *range(100))])

    fresh.add([Delta(minute=0, users=np.zeros(FOLD_AT, dtype=np.uint64), frames=FOLD_AT)])

    assert fresh.users == 100
