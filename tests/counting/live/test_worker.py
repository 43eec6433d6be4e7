"""Stage 1: reading, committing, idleness, what is left out."""

import random
from itertools import pairwise

import pytest

from counting.live.stages import MINUTE, Worker, committed, frames, people, users_told
from millstream.counting.admission.clock import ClockSettings
from millstream.counting.model import Totals
from millstream.errors import FencedError, NoteRefusedError
from millstream.ports.framelog import NOTE_LIMIT
from millstream.testing.framelog_broker import MemoryBroker


def ticking(count: int, *, start_s: int = MINUTE) -> list[bytes | None]:
    """One frame a second."""
    return frames(range(start_s, start_s + count))


# --- committing -----------------------------------------------------------------------------------------------------


def test_frames_become_one_delta_a_minute():
    """With their users, frames, the position and the watermark."""
    broker = MemoryBroker(partitions=1)
    broker.append(0, people("a", "b", "a", time_s=MINUTE) + ticking(9, start_s=MINUTE + 60))
    worker = Worker(broker)
    worker.step()

    (record,) = committed(broker)

    assert [(delta.minute, delta.frames, len(delta.users)) for delta in record.deltas] == [
        (MINUTE, 3, 2),
        (MINUTE + 60, 9, 1),
    ]
    assert record.report is not None
    assert (record.report.first, record.report.to, record.report.end) == (0, 12, 12)
    assert record.report.watermark is not None
    assert record.report.counts() == worker.stage.totals == Totals(frames=12)
    assert broker.bookmarks[0].offset == 12


def test_a_user_is_told_once_a_minute():
    """Later commits bring only users that no earlier one had, and all frames."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    for users in ("abcabcabc", "abd", "d"):
        broker.append(0, people(*users))
        worker.step()

    records = committed(broker)

    assert users_told(records) == [3, 1, 0]
    assert [delta.frames for record in records for delta in record.deltas] == [9, 3, 1]


def test_commits_wait_for_their_time():
    """Nothing is committed before half a second has passed, however often there is something to read."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, commit_every_s=0.45)
    for _ in range(4):
        broker.append(0, people(*"abcdefghi"))
        worker.step(0.1)

    assert committed(broker) == []
    worker.step(0.1)
    assert len(committed(broker)) == 1


def test_many_users_do_not_wait():
    """A commit takes place as soon as so many new users wait."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, commit_users=100)
    broker.append(0, people(*map(str, range(99))))
    worker.step(0.01)
    none = committed(broker)
    broker.append(0, people("one more"))
    worker.step(0.01)

    assert none == []
    assert users_told(committed(broker)) == [100]


def test_a_clock_that_is_set_back_stops_nothing():
    """Commits go on when wall-clock time jumps back by an hour."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    worker.step()
    broker.append(0, people(*"abcdefghi"))
    worker.step(-3600)

    assert users_told(committed(broker)) == [9]


def test_nothing_is_committed_when_nothing_came():
    """No transaction, no record."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    for _ in range(5):
        worker.step()

    assert broker.deltas[0].end == 0


def test_after_an_abort_everything_is_told_again():
    """What was read since the last commit is read again, and nothing is taken for told."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    broker.append(0, people(*"abcabcabc"))
    worker.step()
    broker.append(0, people(*"cd"))
    broker.refuse = 1
    worker.step()
    worker.step()

    assert users_told(committed(broker)) == [3, 2]
    assert worker.stage.aborts == 1
    assert worker.stage.totals == Totals(frames=11)


def test_a_fenced_worker_ends():
    """The error is for the process that runs it."""
    broker = MemoryBroker(partitions=1)
    broker.append(0, people(*"abcabcabc"))
    worker = Worker(broker)
    worker.step(0.1)
    Worker(broker)

    with pytest.raises(FencedError):
        worker.step()


def test_closing_commits_what_was_read():
    """And gives the partitions to others."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    broker.append(0, people(*"abcabcabc"))
    worker.step(0.1)
    worker.stage.close()

    assert users_told(committed(broker)) == [3]
    assert broker.group.members == []


# --- changes of shares ----------------------------------------------------------------------------------------------


def test_what_was_read_is_committed_when_a_partition_goes():
    """So that nobody has to read it again."""
    broker = MemoryBroker(partitions=2)
    worker = Worker(broker)
    for partition in (0, 1):
        broker.append(partition, people(*"abcabcabc"))
    worker.step(0.1)
    broker.group.join("another")
    worker.step(0.1)

    assert users_told(committed(broker, 0) + committed(broker, 1)) == [3, 3]


def test_partitions_that_were_lost_are_forgotten():
    """Nothing is committed for them, and the successor starts where the last commit was."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    broker.append(0, people(*"abcabcabc"))
    worker.step(0.1)
    broker.group.leave(worker.log.member)
    broker.group.join("another")
    worker.step()

    assert broker.bookmarks == {}
    assert worker.stage.progress() == []


def test_a_bookmark_of_other_settings_is_refused():
    """The worker does not start, and says what differs."""
    broker = MemoryBroker(partitions=1)
    broker.append(0, ticking(20))
    Worker(broker).step()
    successor = Worker(broker, clock=ClockSettings(lateness_s=7))
    broker.group.leave(broker.group.members[0])

    with pytest.raises(NoteRefusedError, match="expected a note of"):
        successor.step()


@pytest.mark.parametrize("seed", range(5))
def test_successors_admit_as_one_worker_would(seed: int):
    """Wherever a worker stops, within blocks too, the next one goes on in its stead: same deltas, same totals."""
    rng = random.Random(seed)
    values: list[bytes | None] = []
    for number in range(3000):
        time_s = MINUTE + number // 20
        time_s += rng.choice([0] * 30 + [-9, -300, 200_000, -(10**9)])
        values += frames([time_s], user=str(rng.randrange(50)))
    whole, parts = MemoryBroker(partitions=1), MemoryBroker(partitions=1)
    whole.append(0, values)
    Worker(whole).step()
    at = 0
    while at < len(values):
        count = rng.randint(1, 700)
        parts.append(0, values[at : at + count])
        at += count
        for member in parts.group.members:
            parts.group.leave(member)
        Worker(parts).step()

    assert _joined(parts) == _joined(whole)


def _joined(broker: MemoryBroker) -> tuple[dict, Totals]:
    users: dict[tuple[int, int, int], set[int]] = {}
    totals = Totals()
    for record in committed(broker):
        for delta in record.deltas:
            users.setdefault((delta.minute, delta.counted, delta.late), set()).update(delta.users.tolist())
        if record.report is not None:
            totals += record.report.counts()
    return users, totals


def test_a_hole_at_the_end_of_a_block_does_not_join_it_to_the_next():
    """The first offset of a later block ends the one before, so that frames are judged as without the hole."""
    late = frames([MINUTE], user="late")
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, block=64, commit_every_s=0)
    broker.append(0, ticking(62, start_s=MINUTE + 600))
    worker.step()
    broker.input[0].append(None, marker=True)
    broker.input[0].append(None, marker=True)
    broker.append(0, late)
    worker.step()

    assert worker.stage.totals == Totals(frames=63, dropped=1)


def test_frames_of_a_block_are_judged_by_the_watermark_before_it():
    """The same frame without the end of a block between is counted."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, block=64, commit_every_s=0)
    broker.append(0, ticking(62, start_s=MINUTE + 600))
    worker.step()
    broker.append(0, frames([MINUTE], user="late"))
    worker.step()

    assert worker.stage.totals == Totals(frames=63)


# --- idleness -------------------------------------------------------------------------------------------------------


def promises(broker: MemoryBroker, partition: int = 0) -> list[bool]:
    return [
        record.report.idle_until_s is not None for record in committed(broker, partition) if record.report is not None
    ]


def test_a_silent_partition_is_reported_idle():
    """Once it was silent for the idle time, and no longer when frames come again."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10)
    broker.append(0, ticking(20))
    for _ in range(14):
        worker.step()
    broker.append(0, ticking(1))
    worker.step()

    assert promises(broker) == [False, True, False]


def test_a_promise_of_idleness_is_renewed_before_it_ends():
    """While the partition is silent there is always a promise that holds."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10)
    for _ in range(60):
        worker.step()

    reports = [record.report for record in committed(broker) if record.report is not None]
    promised = [(report.at_s, report.idle_until_s) for report in reports if report.idle_until_s is not None]
    assert len(promised) > 5
    assert all(until_s > at_s for (_, until_s), (at_s, _) in pairwise(promised))


def test_an_empty_partition_is_reported_idle():
    """It has no watermark, and holds nobody back."""
    broker = MemoryBroker(partitions=2)
    worker = Worker(broker, idle_s=10)
    for _ in range(12):
        worker.step()

    (record,) = committed(broker, 1)
    assert record.report is not None
    assert record.report.idle_until_s is not None
    assert (record.report.watermark, record.report.to) == (None, 0)


def test_a_partition_that_lags_is_not_idle():
    """However long nothing of it arrives."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10)
    worker.log._batch = lambda available: min(available, 10)
    broker.append(0, ticking(30))
    worker.step()
    worker.log._batch = lambda available: 0
    for _ in range(60):
        worker.step()

    assert promises(broker) == [False]


def test_few_frames_do_not_wait_for_ever():
    """Fewer frames than a clock needs are counted when the partition falls silent."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10)
    broker.append(0, people("a", "b"))
    for _ in range(12):
        worker.step()

    assert users_told(committed(broker)) == [0, 2]
    assert worker.stage.totals == Totals(frames=2)


def test_frames_after_a_long_gap_do_not_wait_for_ever():
    """Too few to move the clock, they are counted when the partition falls silent."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10)
    broker.append(0, ticking(100))
    worker.step()
    broker.append(0, people("a", "b", "c", time_s=MINUTE + 30_000))
    for _ in range(12):
        worker.step()

    assert [delta.frames for record in committed(broker) for delta in record.deltas][-1] == 3


# --- alignment ------------------------------------------------------------------------------------------------------


def test_a_partition_that_is_far_ahead_waits():
    """Until the others are where it is, or idle; waiting is not being idle."""
    broker = MemoryBroker(partitions=2)
    worker = Worker(broker, idle_s=10, align_s=600)
    worker.log._batch = lambda available: min(available, 50)
    broker.append(0, ticking(2000))
    broker.append(1, frames(range(MINUTE, MINUTE + 200_000, 100)))

    ahead = []
    for _ in range(120):
        worker.step(0.6)
        progress = worker.stage.progress()
        marks = [one.watermark for one in progress if one.watermark is not None]
        ahead.append(max(marks) - min(marks))
        assert not progress[1].idle or progress[1].position == 2000

    assert max(ahead[:35]) <= 50 * 100 + 600
    assert worker.stage.progress()[0].position == 2000
    assert worker.stage.progress()[1].position == 2000


# --- what is left out -----------------------------------------------------------------------------------------------


def letters(broker: MemoryBroker) -> list[tuple[str, bytes | None]]:
    return [(entry.key, entry.value) for entry in broker.dead_letters.committed()]


def test_what_is_left_out_is_copied():
    """Rejected, quarantined and dropped frames, with offset and reason."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, block=16)
    bad, ancient, dropped = b"{", frames([5])[0], frames([MINUTE - 7200], user="late")[0]
    broker.append(0, [*ticking(64), bad, ancient, dropped])
    worker.step()

    found = sorted((key.split(": ")[0], value) for key, value in letters(broker))

    assert found == [("0:64:malformed", bad), ("0:65:quarantined", ancient), ("0:66:dropped", dropped)]
    assert worker.stage.totals == Totals(frames=67, rejected=1, quarantined=1, dropped=1)


def test_a_frame_that_is_given_up_later_is_fetched():
    """Its value is gone from memory, and in the dead letters all the same."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, clock=ClockSettings(pending_frames=100), block=16)
    far = frames([MINUTE + 5_000_000], user="far")[0]
    broker.append(0, [*ticking(32), far])
    worker.step()
    none = letters(broker)
    broker.append(0, ticking(200, start_s=MINUTE + 32))
    worker.step()

    assert none == []
    assert letters(broker) == [("0:32:quarantined", far)]


def test_copies_can_be_switched_off():
    """What is left out is counted all the same."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, dead_letters=False)
    broker.append(0, [*ticking(20), b"{", None])
    worker.step()

    assert letters(broker) == []
    assert worker.stage.totals == Totals(frames=22, rejected=2)


def test_the_progress_of_each_partition_can_be_asked():
    """Position, end, watermark and idleness."""
    broker = MemoryBroker(partitions=2)
    worker = Worker(broker, idle_s=10)
    broker.append(0, ticking(100))
    worker.step()

    first, second = worker.stage.progress()

    assert (first.partition, first.position, first.end, first.idle) == (0, 100, 100, False)
    assert first.watermark is not None
    assert first.watermark > MINUTE + 60
    assert (second.partition, second.position, second.watermark) == (1, 0, None)


def test_a_bookmark_fits_what_a_broker_takes():
    """Its note says all there is to go on from."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker)
    broker.append(0, ticking(100) + frames(range(MINUTE + 10**6, MINUTE + 10**8, 10**6)))
    worker.step()

    bookmark = broker.bookmarks[0]
    assert bookmark.offset == 199
    assert 0 < len(bookmark.note) <= NOTE_LIMIT


def test_few_frames_are_not_lost_when_shares_change_as_silence_begins():
    """A promise of idleness that is made while a partition is given up comes with the frames that wait."""
    broker = MemoryBroker(partitions=1)
    worker = Worker(broker, idle_s=10, commit_every_s=3600)
    broker.append(0, people("a", "b"))
    worker.step()
    worker.now.s += 10
    broker.group.join("another")
    worker.step()

    (record,) = committed(broker)

    assert record.report is not None
    assert record.report.idle_until_s is not None
    assert users_told([record]) == [2]
