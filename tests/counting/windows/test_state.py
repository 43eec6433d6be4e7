"""A count goes on after a crash as if nothing had happened."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting.windows.windowing import (
    BORDER,
    GRACE_S,
    STEPS,
    Add,
    Driver,
    again,
    by_window,
    delta,
    life_is_right,
    small_limits,
    windows,
    without_revision,
    write,
)
from millstream.counting.model import MINUTE_S, Delta, Size, Status
from millstream.counting.windows import state as windows_state
from millstream.counting.windows.calendar import Calendar
from millstream.counting.windows.state import HEAD_KEY
from millstream.counting.windows.windows import Emit, Windows

CHUNK_USERS = 4


@pytest.fixture(autouse=True, scope="module")
def _limits() -> Iterator[None]:
    with small_limits(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows_state, "_CHUNK_USERS", CHUNK_USERS)
        yield


def is_final(minute: int, watermark: int | None) -> bool:
    return watermark is not None and minute + MINUTE_S + GRACE_S <= watermark


class Merger:
    """Commits results, state and position together, and starts again from what it committed."""

    def __init__(self, steps, emit: Emit) -> None:
        self.steps, self.emit = steps, emit
        self.driver = Driver(windows(emit))
        self.state: dict[str, bytes] = {}
        self.committed, self.pending = [], []
        self.position = self.done = 0
        self.saved_at_s = self.driver.at_s

    def step(self) -> None:
        self.pending += self.driver.take(self.steps[self.done])
        self.done += 1

    def commit(self) -> None:
        write(self.state, self.driver.windows)
        self.committed += self.pending
        self.pending, self.position, self.saved_at_s = [], self.done, self.driver.at_s

    def crash(self, *, further_back: int) -> None:
        """All that was not committed is lost; deltas from the first one of a minute that is not final come again."""
        restored = again(self.state, self.emit)
        self.driver = Driver(restored, at_s=self.saved_at_s)
        self.pending, self.done = [], self.position
        deltas = [step.delta for step in self.steps[: self.position] if isinstance(step, Add)]
        needed = [index for index, delta in enumerate(deltas) if not is_final(delta.minute, restored.watermark)]
        for replayed in deltas[max(0, (needed or [len(deltas)])[0] - further_back) :]:
            restored.add(replayed, replayed=True)


@given(
    STEPS,
    st.sampled_from([Emit.FINAL, Emit.ONTIME]),
    st.lists(st.sampled_from(["step", "step", "commit", "crash"]), max_size=60),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=250)
def test_a_count_that_crashed_anywhere_commits_what_an_undisturbed_one_does(steps, emit, course, further_back):
    """Results with all their numbers, saved state and counters are the same, whenever it commits and crashes."""
    undisturbed = Merger(steps, emit)
    for _ in steps:
        undisturbed.step()
    undisturbed.commit()
    merger = Merger(steps, emit)
    for event in course:
        if event == "crash":
            merger.crash(further_back=further_back)
        elif event == "commit":
            merger.commit()
        elif merger.done < len(steps):
            merger.step()
    while merger.done < len(steps):
        merger.step()
    merger.commit()
    merger.crash(further_back=0)

    assert merger.committed == undisturbed.committed
    assert merger.driver.windows.open() == undisturbed.driver.windows.open()
    assert merger.driver.windows.refused == undisturbed.driver.windows.refused
    assert merger.driver.windows.watermark == undisturbed.driver.windows.watermark
    assert merger.driver.windows.finish() == undisturbed.driver.windows.finish()


@given(STEPS, st.sampled_from(Emit), st.data())
@settings(deadline=None)
def test_early_results_do_not_change_what_is_final_after_a_crash(steps, emit, data):
    """With early results at any time, which are not repeated alike, each window still has one life and the same end."""
    undisturbed, merger = Merger(steps, emit), Merger(steps, emit)
    for _ in steps:
        undisturbed.step()
        merger.step()
        merger.pending += merger.driver.windows.early(data.draw(st.floats(0, 1000)))
        if data.draw(st.booleans()):
            merger.commit()
        if data.draw(st.integers(0, 9)) == 0:
            merger.crash(further_back=0)
            while merger.done < undisturbed.done:
                merger.step()
    results = merger.committed + merger.pending + merger.driver.windows.finish()
    expected = undisturbed.pending + undisturbed.driver.windows.finish()

    assert without_revision(results) == without_revision(expected)
    assert all(life_is_right(life) for life in by_window(results).values())


@given(STEPS, st.sampled_from([Emit.FINAL, Emit.ONTIME]), st.integers(0, 12))
@settings(deadline=None)
def test_a_count_that_was_dumped_and_loaded_goes_on_as_if_it_was_not(steps, emit, cut):
    """At any point, minutes included, without a replay; and a dump of it again is the same bytes."""
    driver = Driver(windows(emit))
    for step in steps[:cut]:
        driver.take(step)
    dump = driver.windows.dump()
    loaded = Driver(
        Windows.load(dump, calendar=Calendar(), grace_s=GRACE_S, emit=emit), at_s=driver.at_s, now_s=driver.now_s
    )

    assert loaded.windows.dump() == dump
    for step in steps[cut:]:
        assert loaded.take(step) == driver.take(step)
    assert loaded.windows.refused == driver.windows.refused
    assert loaded.windows.finish() == driver.windows.finish()


@given(STEPS)
@settings(deadline=None)
def test_nothing_is_left_of_windows_that_are_final(steps):
    """At the end the head alone is left, and a finished count stays finished."""
    merger = Merger(steps, Emit.ONTIME)
    for _ in steps:
        merger.step()
        merger.commit()
    merger.driver.windows.finish()
    merger.commit()

    assert set(merger.state) == {HEAD_KEY}
    assert again(merger.state, Emit.ONTIME).finish() == []


def test_users_are_written_once_in_chunks_until_there_is_a_sketch():
    """New hashes of an hour go to new keys; the sketch takes their place, and is written only when it changed."""
    hour = f"hour:{BORDER}"
    counted = windows(Emit.FINAL, sizes=Size.HOUR.bit)
    counted.add(delta(BORDER, 1, 2, 3, 4, 5, 6))
    early = [key for key, _ in counted.changes()]
    counted.advance(BORDER + 60 + GRACE_S)
    first = dict(counted.changes())
    counted.add(delta(BORDER + 60, 5, 6, 7))
    counted.advance(BORDER + 120 + GRACE_S)
    second = dict(counted.changes())
    counted.add(delta(BORDER + 120, *range(20)))
    counted.advance(BORDER + 180 + GRACE_S)
    third = dict(counted.changes())
    counted.advance(BORDER + 181 + GRACE_S)
    fourth = dict(counted.changes())

    assert set(early) == {HEAD_KEY, hour, f"minute:{BORDER}"}
    assert [len(first[f"{hour}#{index}"]) // 8 for index in (0, 1)] == [CHUNK_USERS, 2]
    assert {key for key in second if "#" in key} == {f"{hour}#2"}
    assert len(second[f"{hour}#2"]) == 8
    assert {key: value is None for key, value in third.items() if "#" in key} == {
        f"{hour}#0": True,
        f"{hour}#1": True,
        f"{hour}#2": True,
        f"{hour}#sketch": False,
    }
    assert set(fourth) == {HEAD_KEY}


def test_users_that_are_saved_are_not_written_again_after_a_restart():
    """The next chunk has the new ones only."""
    counted, state = windows(Emit.FINAL, sizes=Size.HOUR.bit), {}
    counted.add(delta(BORDER, 1, 2, 3))
    counted.advance(BORDER + 60 + GRACE_S)
    write(state, counted)
    restored = again(state, Emit.FINAL, sizes=Size.HOUR.bit)
    restored.add(delta(BORDER + 60, 3, 4))
    restored.advance(BORDER + 120 + GRACE_S)
    changes = dict(restored.changes())

    assert [key for key in changes if "#" in key] == [f"hour:{BORDER}#1"]
    assert changes[f"hour:{BORDER}#1"] == delta(BORDER, 4).users.tobytes()


def test_a_large_hour_is_split_for_the_log():
    """With the real size no value is larger than 900 kB."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows_state, "_CHUNK_USERS", 112_500)
        counted = windows(Emit.FINAL, exact=True)
        many = np.arange(300_000, dtype=np.uint64)
        counted.add(Delta(minute=BORDER, users=many, frames=300_000))
        counted.advance(BORDER + 60 + GRACE_S)
        changes = dict(counted.changes())
    restored = again(changes, Emit.FINAL, exact=True)

    assert max(len(value) for value in changes.values()) == 900_000
    assert restored.finish()[0].users == 300_000


def test_an_empty_state_is_a_new_count():
    """Nothing saved, nothing known."""
    counted = again({}, Emit.EARLY)

    assert (counted.watermark, counted.open(), counted.refused) == (None, (), 0)


def test_emission_may_change_between_two_runs():
    """A count that put out early results goes on with final ones only, and the other way round."""
    for before, after in ((Emit.EARLY, Emit.FINAL), (Emit.FINAL, Emit.EARLY)):
        counted, state = windows(before, sizes=Size.MINUTE.bit), {}
        counted.add(delta(BORDER, 1))
        counted.early(0.0)
        counted.advance(BORDER + 60)
        write(state, counted)
        restored = again(state, after, sizes=Size.MINUTE.bit)
        restored.add(delta(BORDER, 1), replayed=True)

        results = restored.advance(BORDER + 60 + GRACE_S)

        assert [(result.status, result.users) for result in results] == [(Status.FINAL, 1)]
