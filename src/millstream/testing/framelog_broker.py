"""A partitioned log with transactions and groups, in memory: what the two stages of live counting see of a broker.

It keeps the properties that make a real one hard: an aborted record keeps its offset, a transaction's end takes one,
an open transaction hides everything behind it, a transactional id belongs to its last user, a group moves on when its
members agreed, and a member that was thrown out learns of it late. Single-threaded and without a clock: everything
that time does on a real broker (sessions and transactions that run out, compaction, retention) is a method here.
"""

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from millstream.errors import FencedError
from millstream.ports.framelog import Bookmark


@dataclass(slots=True, eq=False)
class Transaction:
    """Records and positions that count together or not at all."""

    transactional_id: str
    committed: bool = False
    open: bool = True
    bookmarks: dict[int, Bookmark] = field(default_factory=dict)
    """Positions in the input that are on their way."""
    touched: list["Log"] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One place in a log. A marker ends a transaction and is no record."""

    offset: int
    key: str = ""
    value: bytes | None = None
    stamped_s: float | None = None
    transaction: Transaction | None = None
    marker: bool = False


class Log:
    """One partition."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._offsets: list[int] = []
        self._open: dict[Transaction, int] = {}
        self.end = 0

    def append(
        self,
        value: bytes | None,
        *,
        key: str = "",
        stamped_s: float | None = None,
        transaction: Transaction | None = None,
        marker: bool = False,
    ) -> int:
        """Write one record; returns its offset."""
        entry = Entry(
            offset=self.end, key=key, value=value, stamped_s=stamped_s, transaction=transaction, marker=marker
        )
        if transaction is not None and self not in transaction.touched:
            transaction.touched.append(self)
            self._open[transaction] = entry.offset
        self._entries.append(entry)
        self._offsets.append(entry.offset)
        self.end += 1
        return entry.offset

    def stable_end(self) -> int:
        """Where the first open transaction starts; a reader of committed records gets no further."""
        self._open = {transaction: first for transaction, first in self._open.items() if transaction.open}
        return min(self._open.values(), default=self.end)

    def committed(self, start: int = 0) -> Iterator[Entry]:
        """What a reader of committed records gets from `start` on."""
        stable = self.stable_end()
        for index in range(bisect.bisect_left(self._offsets, start), len(self._entries)):
            entry = self._entries[index]
            if entry.offset >= stable:
                return
            if not entry.marker and (entry.transaction is None or entry.transaction.committed):
                yield entry

    def compact(self) -> None:
        """Keep of every key the last committed record only; deletions stay."""
        last = {entry.key: entry.offset for entry in self.committed()}
        stable = self.stable_end()
        self._keep([e for e in self._entries if e.offset >= stable or last.get(e.key) == e.offset])

    def trim(self, before: int) -> None:
        """Forget everything before an offset, as retention does."""
        self._keep([entry for entry in self._entries if entry.offset >= before])

    def _keep(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._offsets = [entry.offset for entry in entries]


class Group:
    """The members of a consumer group and their shares; eager, or cooperative (only what moves is given up)."""

    def __init__(self, partitions: int, *, cooperative: bool = False) -> None:
        self.partitions = partitions
        self.cooperative = cooperative
        self.generation = 0
        self.moving = False
        self._shares: dict[str, list[int]] = {}
        self._targets: dict[str, list[int]] = {}
        self._agreed: set[str] = set()

    @property
    def members(self) -> list[str]:
        """Who takes part."""
        return list(self._shares)

    def share(self, member: str) -> list[int]:
        """What a member owns by the current generation."""
        return list(self._shares.get(member, ()))

    def join(self, member: str) -> None:
        """Take part; the others have to agree."""
        self._shares[member] = []
        self.rebalance()
        self._agreed.add(member)

    def leave(self, member: str) -> None:
        """Take part no longer, or be thrown out because the session ran out."""
        if self._shares.pop(member, None) is not None:
            self.rebalance()

    def rebalance(self) -> None:
        """Start to share out anew; every member has to give up what moves first."""
        self.moving, self._agreed = True, set()
        self._targets = self._share_out()

    def gives_up(self, member: str) -> list[int]:
        """What a member has to give up now."""
        if not self.moving or member in self._agreed:
            return []
        kept = set(self._targets[member]) if self.cooperative else set()
        return [partition for partition in self._shares[member] if partition not in kept]

    def agree(self, member: str) -> None:
        """A member gave up what it had to; the last one that does starts the next generation."""
        if not self.moving:
            return
        self._agreed.add(member)
        if self._agreed >= set(self._shares):
            self._shares = self._targets
            self.generation += 1
            self.moving = False

    def _share_out(self) -> dict[str, list[int]]:
        members = list(self._shares)
        shares: dict[str, list[int]] = {member: [] for member in members}
        free = list(range(self.partitions))
        if self.cooperative and members:
            most = -(-self.partitions // len(members))
            for member in members:
                shares[member] = self._shares[member][:most]
                free = [partition for partition in free if partition not in shares[member]]
        for partition in free if members else []:
            # Turned with the generation, so that an eager rebalance moves partitions, and ties go to the earlier.
            turned = members[self.generation % len(members) :] + members[: self.generation % len(members)]
            shares[min(turned, key=lambda member: len(shares[member]))].append(partition)
        return shares


class MemoryBroker:
    """The topics of one count, its two groups, and the levers of a test.

    `fencing` off takes away what keeps a zombie from writing, to see whether a test would notice.
    """

    def __init__(self, *, partitions: int, cooperative: bool = False, fencing: bool = True) -> None:
        self.fencing = fencing
        self.refuse = 0
        """How many of the next transactions are aborted."""
        self.input = [Log() for _ in range(partitions)]
        self.deltas = [Log() for _ in range(partitions)]
        self.results = Log()
        self.state = Log()
        self.dead_letters = Log()
        self.group = Group(partitions, cooperative=cooperative)
        self.bookmarks: dict[int, Bookmark] = {}
        self.merged: dict[int, int] = {}
        self.merger: object | None = None
        self.open: list[Transaction] = []
        self._epochs: dict[str, int] = {}

    # --- what happens outside --------------------------------------------------------------------------------------

    def append(self, partition: int, values: Sequence[bytes | None], *, stamped_s: float | None = None) -> None:
        """Write frames to the input."""
        for value in values:
            self.input[partition].append(value, stamped_s=stamped_s)

    def add_partition(self) -> int:
        """Give the input, and so the deltas, one partition more; returns its number."""
        self.input.append(Log())
        self.deltas.append(Log())
        self.group.partitions += 1
        self.group.rebalance()
        return len(self.input) - 1

    def expire_transactions(self) -> None:
        """Every open transaction runs out: its writer is fenced as if a successor had come."""
        for transaction in list(self.open):
            self._epochs[transaction.transactional_id] += 1
            self.end(transaction, commit=False)

    def expire_merger(self) -> None:
        """The session of the active merger runs out; it does not know."""
        self.merger = None

    def committed_results(self) -> list[tuple[str, bytes]]:
        """The results as a reader of committed records sees them."""
        return [(entry.key, entry.value or b"") for entry in self.results.committed()]

    # --- transactions ----------------------------------------------------------------------------------------------

    def initialise(self, transactional_id: str) -> int:
        """Own a transactional id from now on: what its last owner left open is aborted."""
        for transaction in [one for one in self.open if one.transactional_id == transactional_id]:
            self.end(transaction, commit=False)
        self._epochs[transactional_id] = self._epochs.get(transactional_id, 0) + 1
        return self._epochs[transactional_id]

    def begin(self, transactional_id: str, epoch: int) -> Transaction:
        """Start a transaction.

        Raises:
            FencedError: the id has a later owner.
        """
        if self.fencing and self._epochs[transactional_id] != epoch:
            raise FencedError(reason=f"{transactional_id} has a later owner")
        for left in [one for one in self.open if one.transactional_id == transactional_id]:
            self.end(left, commit=False)
        transaction = Transaction(transactional_id)
        self.open.append(transaction)
        return transaction

    def end(self, transaction: Transaction, *, commit: bool) -> None:
        """Commit or abort; either takes one offset of each partition that was written to."""
        transaction.open, transaction.committed = False, commit
        self.open.remove(transaction)
        for log in transaction.touched:
            log.append(None, marker=True)
        if commit:
            self.bookmarks.update(transaction.bookmarks)

    def refuses(self) -> bool:
        """Whether to abort this transaction, for no fault of its writer."""
        self.refuse, refused = max(0, self.refuse - 1), self.refuse > 0
        return refused

    def unstable(self, partitions: Mapping[int, object] | Sequence[int]) -> bool:
        """Whether a position of one of these is on its way, so that nobody may be told where to start."""
        return any(partition in one.bookmarks for one in self.open for partition in partitions)
