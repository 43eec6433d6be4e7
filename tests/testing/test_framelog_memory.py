"""The logs in memory obey the suites, and have what makes a real broker hard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pytest

from millstream.errors import FencedError, TransactionAbortedError
from millstream.ports.framelog import Bookmark, CaughtUp, DeltaLog, FrameLog, Rebalanced, Run
from millstream.testing.faults import Crash
from millstream.testing.framelog_broker import MemoryBroker
from millstream.testing.framelog_memory import MemoryDeltaLog, MemoryFrameLog
from millstream.testing.framelog_suite import DeltaLogSuite, FrameLogSuite, Share, read, started


class MemoryDeployment:
    """Topics in memory."""

    def __init__(self, *, partitions: int, cooperative: bool = False) -> None:
        self.broker = MemoryBroker(partitions=partitions, cooperative=cooperative)
        self.append = self.broker.append
        self.results = self.broker.committed_results

    def add_partition(self) -> None:
        self.broker.add_partition()

    def frames(self, *, slot: str = "0") -> FrameLog:
        for member in self.broker.group.members:
            if member.startswith(f"worker-{slot}/"):
                self.broker.group.leave(member)  # its session runs out
        return MemoryFrameLog(self.broker, slot=slot)

    def deltas(self) -> DeltaLog:
        return MemoryDeltaLog(self.broker)

    def dead_letters(self) -> list[tuple[int, int, bytes | None]]:
        found = ((entry.key.split(":"), entry.value) for entry in self.broker.dead_letters.committed())
        return [(int(key[0]), int(key[1]), value) for key, value in found]


class TestEagerFrameLog(FrameLogSuite):
    @contextmanager
    def deployment(self, *, partitions: int) -> Iterator[MemoryDeployment]:
        yield MemoryDeployment(partitions=partitions)


class TestCooperativeFrameLog(FrameLogSuite):
    @contextmanager
    def deployment(self, *, partitions: int) -> Iterator[MemoryDeployment]:
        yield MemoryDeployment(partitions=partitions, cooperative=True)


class TestDeltaLog(DeltaLogSuite):
    @contextmanager
    def deployment(self, *, partitions: int) -> Iterator[MemoryDeployment]:
        yield MemoryDeployment(partitions=partitions)


def crash_at(point: str, reached: str) -> None:
    if reached == point:
        raise Crash


def read_all(log: MemoryFrameLog) -> Share:
    share = Share()
    read(log, share, until=lambda: share.ends)
    return share


def test_an_open_transaction_hides_what_is_behind_it():
    """A crash between the records and the end of a transaction stops readers there until it is aborted."""
    broker = MemoryBroker(partitions=1)
    log = MemoryFrameLog(broker, faults=partial(crash_at, "after_offsets"))
    read_all(log)
    with pytest.raises(Crash):
        log.commit([(0, b"torn")], {0: Bookmark(offset=0)})
    broker.deltas[0].append(b"later")

    assert list(broker.deltas[0].committed()) == []
    broker.expire_transactions()
    assert [entry.value for entry in broker.deltas[0].committed()] == [b"later"]


def test_nobody_is_told_where_to_start_while_a_position_is_on_its_way():
    """A partition is assigned only after the open transaction that moves its bookmark has ended."""
    broker = MemoryBroker(partitions=1)
    first = MemoryFrameLog(broker, slot="a", faults=partial(crash_at, "after_offsets"))
    read_all(first)
    with pytest.raises(Crash):
        first.commit([], {0: Bookmark(offset=0)})
    broker.group.leave(first.member)
    second, share = MemoryFrameLog(broker, slot="b"), Share()

    for _ in range(3):
        second.poll(0, share)

    assert share.told == []
    broker.expire_transactions()
    second.poll(0, share)
    assert share.told == ["assigned"]


def test_a_crash_after_the_commit_was_sent_leaves_it_committed():
    """The outcome is there, though nobody learnt of it."""
    broker = MemoryBroker(partitions=1)
    log = MemoryFrameLog(broker, faults=partial(crash_at, "after_commit_sent"))
    read_all(log)

    with pytest.raises(Crash):
        log.commit([(0, b"x")], {0: Bookmark(offset=7)})

    assert broker.bookmarks == {0: Bookmark(offset=7)}
    assert [entry.value for entry in broker.deltas[0].committed()] == [b"x"]


def test_a_worker_that_was_thrown_out_loses_its_partitions():
    """Its commit is aborted, the next poll tells it that they are lost, and it may join again."""
    broker = MemoryBroker(partitions=1)
    log = MemoryFrameLog(broker)
    share = read_all(log)
    broker.group.leave(log.member)

    with pytest.raises(TransactionAbortedError):
        log.commit([(0, b"x")], {0: Bookmark(offset=0)})

    share.told.clear()
    log.poll(0, share)
    assert share.told == ["lost", "assigned"]
    assert list(broker.deltas[0].committed()) == []


def test_a_merger_whose_session_ran_out_is_fenced():
    """Its successor starts, and then its commit is refused."""
    broker = MemoryBroker(partitions=1)
    first, second = MemoryDeltaLog(broker), MemoryDeltaLog(broker)
    started(first)
    broker.expire_merger()
    started(second)

    with pytest.raises(FencedError):
        first.commit([("minute:0", b"zombie")], [], {})

    assert broker.committed_results() == []


def test_compaction_keeps_what_a_restore_needs():
    """The last value of each key stays, also when compaction comes in the middle of reading."""
    broker = MemoryBroker(partitions=1)
    writer = MemoryDeltaLog(broker)
    started(writer)
    for value in (b"1", b"2", b"3"):
        writer.commit([], [(f"key-{number}", value) for number in range(40)], {})
    writer.commit([], [("key-0", None)], {})
    writer.close()

    def compact(point: str) -> None:
        broker.state.compact()

    restored = started(MemoryDeltaLog(broker, faults=compact))

    assert restored.state == {f"key-{number}": b"3" for number in range(1, 40)}


def test_a_refused_transaction_rewinds():
    """What was read since the last commit is delivered again."""
    broker = MemoryBroker(partitions=1)
    broker.append(0, [b"a"])
    log = MemoryFrameLog(broker)
    share = read_all(log)
    broker.refuse = 1
    with pytest.raises(TransactionAbortedError):
        log.commit([(0, b"x")], {0: share.bookmark(0)})

    read(log, share, until=lambda: share.told == ["assigned", "assigned"] and share.values[0])

    assert share.values[0] == [b"a"]


class _Silent(Rebalanced):
    def assigned(self, bookmarks) -> None: ...
    def revoked(self, partitions: Sequence[int]) -> None: ...
    def lost(self, partitions: Sequence[int]) -> None: ...


def test_latest_starts_behind_what_is_there():
    """Without a bookmark, reading begins at the end when asked to."""
    broker = MemoryBroker(partitions=1)
    broker.append(0, [b"old"])
    log = MemoryFrameLog(broker, start="latest")

    found = log.poll(0, _Silent())

    assert found == [CaughtUp(partition=0, end=1)]
    broker.append(0, [b"new"])
    (run,) = [one for one in log.poll(0, _Silent()) if isinstance(one, Run)]
    assert list(run.values) == [b"new"]
