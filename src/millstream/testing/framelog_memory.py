"""Both ports of live counting in memory: `MemoryFrameLog` and `MemoryDeltaLog` on a `MemoryBroker`.

A log is one process to the broker. To kill a process, let a fault raise and use the log no more, or use it later as the
zombie it then is. Faults are reached by the names `after_produce`, `after_offsets` and `after_commit_sent` within a
commit, and `merger.during_restore` for every few records of the state that are read.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice

from millstream.errors import TransactionAbortedError
from millstream.ports.framelog import (
    Bookmark,
    CaughtUp,
    DeadLetter,
    DeltaRecord,
    Rebalanced,
    Restored,
    Run,
)
from millstream.testing.framelog_broker import MemoryBroker

BATCH = 10_000
RESTORED_AT_ONCE = 16
_numbers = count()


def no_faults(point: str) -> None:
    """Nothing goes wrong."""


class MemoryFrameLog:
    """ports.FrameLog for one worker; `slot` names its transactional id, `batch` says how many of n values to hand out.

    `start` is where partitions without a bookmark begin: "earliest" or "latest".
    """

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        slot: str = "0",
        batch: Callable[[int], int] = lambda available: min(available, BATCH),
        faults: Callable[[str], None] = no_faults,
        start: str = "earliest",
    ) -> None:
        self._broker, self._batch, self._faults, self._start = broker, batch, faults, start
        self._transactional_id = f"worker-{slot}"
        self.member = f"worker-{slot}/{next(_numbers)}"
        self._epoch = broker.initialise(self._transactional_id)
        self._generation = -1
        self._positions: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._paused: set[int] = set()
        self._rewind = False
        self._joined = self._closed = False

    def poll(self, timeout_s: float, rebalanced: Rebalanced) -> Sequence[Run | CaughtUp]:  # noqa: ARG002 - nothing waits here
        """Take part in the group, and read; never waits."""
        self._take_part(rebalanced)
        if self._rewind:
            if not self._assign(list(self._positions), rebalanced):
                return []
            self._rewind = False
        found: list[Run | CaughtUp] = []
        for partition in sorted(set(self._positions) - self._paused):
            found += self._read(partition)
        return found

    def commit(
        self,
        deltas: Sequence[tuple[int, bytes]],
        bookmarks: Mapping[int, Bookmark],
        dead_letters: Sequence[DeadLetter] = (),
    ) -> None:
        """One transaction."""
        broker = self._broker
        touched = {*bookmarks, *(partition for partition, _ in deltas), *(letter.partition for letter in dead_letters)}
        if broker.fencing and not touched <= self._positions.keys():
            self._rewind = True
            raise TransactionAbortedError(
                f"partitions {sorted(touched - self._positions.keys())} went to another worker"
            )
        transaction = broker.begin(self._transactional_id, self._epoch)
        for partition, payload in deltas:
            broker.deltas[partition].append(payload, transaction=transaction)
        for letter in dead_letters:
            key = f"{letter.partition}:{letter.offset}:{letter.reason}"
            broker.dead_letters.append(letter.value, key=key, transaction=transaction)
        self._faults("after_produce")
        if broker.refuses() or (broker.fencing and not self._belongs()):
            broker.end(transaction, commit=False)
            self._rewind = True
            raise TransactionAbortedError("the broker refused, or the group moved on")
        transaction.bookmarks.update(bookmarks)
        self._faults("after_offsets")
        broker.end(transaction, commit=True)
        self._faults("after_commit_sent")

    def fetch(self, partition: int, offsets: Sequence[int]) -> Mapping[int, bytes | None]:
        """Single values."""
        wanted = set(offsets)
        found = self._broker.input[partition].committed(min(wanted, default=0))
        return {entry.offset: entry.value for entry in found if entry.offset in wanted}

    def pause(self, partitions: Sequence[int]) -> None:
        """Hand out nothing of these."""
        self._paused = set(partitions)

    def close(self) -> None:
        """Leave the group."""
        if not self._closed:
            self._closed = True
            self._broker.group.leave(self.member)

    def _belongs(self) -> bool:
        group = self._broker.group
        return self.member in group.members and self._generation == group.generation

    def _take_part(self, rebalanced: Rebalanced) -> None:
        group = self._broker.group
        if self.member not in group.members:
            if self._positions:
                lost, self._positions, self._rewind = list(self._positions), {}, False
                rebalanced.lost(lost)
            group.join(self.member)
        revoked = group.gives_up(self.member)
        if revoked:
            rebalanced.revoked(revoked)
            self._positions = {p: at for p, at in self._positions.items() if p not in revoked}
        group.agree(self.member)
        if not group.moving:
            self._generation = group.generation
            self._assign([p for p in group.share(self.member) if p not in self._positions], rebalanced)

    def _assign(self, partitions: Sequence[int], rebalanced: Rebalanced) -> bool:
        """Start with partitions, unless the position of one is still on its way."""
        if self._broker.unstable(partitions):
            return False
        bookmarks = {partition: self._broker.bookmarks.get(partition) for partition in partitions}
        for partition, bookmark in bookmarks.items():
            first = 0 if self._start == "earliest" else self._broker.input[partition].stable_end()
            self._positions[partition] = first if bookmark is None else bookmark.offset
            self._told.pop(partition, None)
        if bookmarks:
            rebalanced.assigned(bookmarks)
        return True

    def _read(self, partition: int) -> list[Run | CaughtUp]:
        log, start = self._broker.input[partition], self._positions[partition]
        ready = list(islice(log.committed(start), BATCH))
        taken = ready[: self._batch(len(ready))]
        found: list[Run | CaughtUp] = []
        if taken:
            self._positions[partition] = taken[-1].offset + 1
            found.append(
                Run(
                    partition=partition,
                    values=[entry.value for entry in taken],
                    offsets=[entry.offset for entry in taken],
                    stamped_s=taken[-1].stamped_s,
                    end=log.end,
                )
            )
        if len(taken) == len(ready) < BATCH:
            end = log.stable_end()
            self._positions[partition] = max(end, self._positions[partition])
            if self._told.get(partition) != end:
                self._told[partition] = end
                found.append(CaughtUp(partition=partition, end=end))
        return found


class MemoryDeltaLog:
    """ports.DeltaLog for one merger."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        batch: Callable[[int], int] = lambda available: min(available, BATCH),
        faults: Callable[[str], None] = no_faults,
    ) -> None:
        self._broker, self._batch, self._faults = broker, batch, faults
        self._epoch = 0
        self._positions: dict[int, int] = {}
        self._partitions = len(broker.input)

    def start(self) -> Restored | None:
        """Take over, unless somebody is at work."""
        broker = self._broker
        if broker.merger not in (None, self):
            return None
        broker.merger = self
        self._epoch = broker.initialise("merger")
        state = self._read_state()
        ends = {partition: log.stable_end() for partition, log in enumerate(broker.deltas)}
        self._positions = {partition: broker.merged.get(partition, 0) for partition in ends}
        return Restored(state=state, positions=dict(self._positions), ends=ends)

    def poll(self, timeout_s: float) -> Sequence[DeltaRecord]:  # noqa: ARG002 - nothing waits here
        """Read; never waits."""
        records: list[DeltaRecord] = []
        for partition, log in enumerate(self._broker.deltas):
            ready = list(islice(log.committed(self._positions.get(partition, 0)), BATCH))
            for entry in ready[: self._batch(len(ready))]:
                records.append(DeltaRecord(partition=partition, offset=entry.offset, payload=entry.value or b""))
                self._positions[partition] = entry.offset + 1
        return records

    def partitions(self) -> int:
        """Of the input, when it was last looked at, which is as seldom as can be."""
        return self._partitions

    def look(self) -> bool:
        """Somebody always answers."""
        self._partitions = len(self._broker.input)
        return True

    def commit(
        self,
        results: Sequence[tuple[str, bytes]],
        state: Sequence[tuple[str, bytes | None]],
        positions: Mapping[int, int],
    ) -> None:
        """One transaction."""
        broker = self._broker
        transaction = broker.begin("merger", self._epoch)
        for key, result in results:
            broker.results.append(result, key=key, transaction=transaction)
        for key, value in state:
            broker.state.append(value, key=key, transaction=transaction)
        self._faults("after_produce")
        if broker.refuses():
            broker.end(transaction, commit=False)
            raise TransactionAbortedError("the broker refused")
        self._faults("after_offsets")
        broker.end(transaction, commit=True)
        broker.merged.update(positions)
        self._faults("after_commit_sent")

    def close(self) -> None:
        """Let another one take over."""
        if self._broker.merger is self:
            self._broker.merger = None

    def _read_state(self) -> dict[str, bytes]:
        """A few records at a time, so that compaction may come in between."""
        log, state, at = self._broker.state, dict[str, bytes](), 0
        end = log.stable_end()
        while few := [entry for entry in islice(log.committed(at), RESTORED_AT_ONCE) if entry.offset < end]:
            for entry in few:
                state.pop(entry.key, None)
                if entry.value is not None:
                    state[entry.key] = entry.value
            at = few[-1].offset + 1
            self._faults("merger.during_restore")
        return state
