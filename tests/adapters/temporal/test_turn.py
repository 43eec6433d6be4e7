"""What an activity keeps of its turn, and tells of it; no server is needed."""

import pytest

pytest.importorskip("temporalio")

from hypothesis import given
from hypothesis import strategies as st

from adapters.temporal.playing import ring_for
from millstream.adapters.temporal.orders import GROUP, WorkOrder
from millstream.adapters.temporal.turn import Turn
from millstream.core.tasks import PIPELINE, chunk_id, plan_id
from millstream.ports.bell import Worked

PLAN = plan_id("m1", seq=0)
CHUNKS = [chunk_id("m1", seq=seq) for seq in range(30)]


def turn_of(batch_ids: list[str], *, turn_s: float = 2.0) -> Turn:
    """A turn in which all of these are in hand or in the queue."""
    turn = Turn(order=WorkOrder(batch_ids=batch_ids, pipeline=PIPELINE, message_id="m1", turn_s=turn_s), ends_at=0.0)
    turn.add(batch_ids)
    return turn


def begin(turn: Turn) -> str:
    """Take the next one in hand."""
    turn.in_hand += 1
    return turn.queue.popleft()


def test_plan_steps_come_first() -> None:
    """What others wait for is begun before what was there earlier."""
    turn = turn_of(CHUNKS[:2])

    turn.add([CHUNKS[2], PLAN])

    assert list(turn.queue) == [PLAN, *CHUNKS[:3]]


def test_what_becomes_ready_is_gone_on_with() -> None:
    """Chunks that a plan step found are in the queue; batches of other ingestions are for others."""
    turn = turn_of([PLAN])
    other = ring_for("m2-000000", message_id="m2")

    others = turn.note(begin(turn), Worked(state="done", ready=(*map(ring_for, CHUNKS[:3]), other)), wait_s=None)

    assert list(turn.queue) == CHUNKS[:3]
    assert others == (other,)


def test_a_batch_that_is_to_be_tried_again_is_told() -> None:
    """When it is due, or that it is ready at once, is in the outcome; nobody here begins it in the same turn."""
    turn = turn_of(CHUNKS[:2])

    turn.note(begin(turn), Worked(state="waiting", not_before=5.0), wait_s=3.0)
    turn.note(begin(turn), Worked(state="ready", ready=(ring_for(CHUNKS[1]),)), wait_s=None)

    outcome = turn.outcome(worker="w", slots=2)
    assert outcome.waits == {CHUNKS[0]: 3.0}
    assert outcome.ready == [CHUNKS[1]]
    assert not turn.queue


def test_what_others_have_makes_what_was_found_old() -> None:
    """When a claim was another's, what was found is asked for anew; what was ordered stays."""
    turn = turn_of(CHUNKS[:2])
    turn.found(Worked(state=None, ready=tuple(map(ring_for, CHUNKS[2:6]))), known=())
    turn.may_find = False

    turn.note(begin(turn), Worked(state="running"), wait_s=None)

    assert list(turn.queue) == [CHUNKS[1]]
    assert turn.may_find


def test_a_look_that_finds_nothing_is_told() -> None:
    """The workflow need not ask once more; but what ends later may have made something ready."""
    turn = turn_of(CHUNKS[:1])
    batch_id = begin(turn)
    turn.found(Worked(state=None), known=())
    assert turn.has_looked
    assert not turn.may_find

    turn.note(batch_id, Worked(state="done"), wait_s=None)

    assert not turn.has_looked
    assert turn.may_find


@given(ordered=st.sets(st.sampled_from(CHUNKS)), found=st.sets(st.sampled_from(CHUNKS)), done=st.integers(0, 30))
def test_nothing_that_was_ordered_is_lost(ordered: set[str], found: set[str], done: int) -> None:
    """What was ordered was worked, or is told to be ready; of what was found a few are told."""
    turn = turn_of(sorted(ordered))
    turn.found(Worked(state=None, ready=tuple(map(ring_for, sorted(found - ordered)))), known=())
    for _ in range(min(done, len(turn.queue))):
        turn.note(begin(turn), Worked(state="done"), wait_s=None)

    outcome = turn.outcome(worker="w", slots=2)

    assert ordered <= {*turn.worked, *outcome.ready}
    assert set(outcome.others) == set(turn.worked) - ordered
    assert set(outcome.ready).isdisjoint(turn.worked)
    assert len(set(outcome.ready) - ordered) <= GROUP


@given(found=st.sets(st.sampled_from(CHUNKS)))
def test_without_turns_all_is_told(found: set[str]) -> None:
    """A workflow of before, which orders no turns, hears of everything that became ready."""
    turn = turn_of([PLAN], turn_s=0.0)

    turn.note(begin(turn), Worked(state="done", ready=tuple(map(ring_for, sorted(found)))), wait_s=None)

    assert set(turn.outcome(worker="w", slots=2).ready) == found
