"""What is known of open minibatches, and what the next commit says of them."""

import zlib
from dataclasses import dataclass, field

from millstream.core.model import CutReason
from millstream.core.operations import GrowBatch, Operation
from millstream.core.rows import BatchRow


@dataclass(slots=True, kw_only=True)
class Draft:
    """An open minibatch: what is in its log (`ranges`, `checksum`) and what still waits in memory (`pieces`)."""

    id: str
    key: str | None
    log: str
    start: int
    last_at: float
    records: int = 0
    size_bytes: int = 0
    checksum: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    spilled_records: int = 0
    pieces: list[bytes] = field(default_factory=list)

    @classmethod
    def restored(cls, row: BatchRow, *, records: int) -> "Draft":
        """One as the ledger has it, of which so many records are in its log."""
        return cls(
            id=row.id,
            key=row.key,
            log=row.log,
            start=row.start,
            last_at=row.last_at if row.last_at is not None else row.opened_at,
            records=records,
            size_bytes=sum(end - start for start, end in row.ranges),
            checksum=row.checksum,
            ranges=list(row.ranges),
            spilled_records=row.spilled_records,
        )

    def laid_down(self, position: int, data: bytes) -> None:
        """`data` was appended to the log at `position`: remember where."""
        end = position + len(data)
        self.checksum = zlib.crc32(data, self.checksum)
        if self.ranges and self.ranges[-1][1] == position:
            self.ranges[-1] = (self.ranges[-1][0], end)
        else:
            self.ranges.append((position, end))

    def grown(self) -> GrowBatch:
        """What the ledger should know of it now."""
        return GrowBatch(
            batch_id=self.id,
            records=self.records,
            size_bytes=self.size_bytes,
            checksum=self.checksum,
            last_at=self.last_at,
            ranges=tuple(self.ranges),
            spilled_records=self.spilled_records,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A minibatch that the next commit closes; `due_at` is None where nothing was due."""

    batch_id: str
    reason: CutReason
    records: int
    due_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one transaction makes durable; `position` is how far the source was taken over with it."""

    operations: tuple[Operation[object], ...]
    records: int
    size_bytes: int
    cuts: tuple[Cut, ...]
    position: str = ""
