"""What the joiner needs of the outside world: a folder of files that it joins, and a place for a number."""

from collections.abc import Iterable, Sequence
from typing import Protocol


class OutputFolder(Protocol):
    """A folder of joined files, locked by whoever has it; all methods may block, and raise OSError or MillstreamError.

    A file that lacks bytes that the ledger knows of is OutputDamagedError, a part that is not as it was written
    PartDamagedError.
    """

    def append(self, message_id: str, *, receipts: Sequence[str], at: int) -> tuple[int, int]:
        """Put parts behind byte `at`, durably; returns how many (those before a damaged one) and the new length."""
        ...

    def forget(self, message_id: str, *, receipts: Iterable[str]) -> None:
        """Delete parts that the ledger knows to be joined."""
        ...

    def reopen(self, message_id: str, *, size_bytes: int) -> None:
        """Take its name from a file that will grow again; idempotent."""
        ...

    def finish(self, message_id: str, *, size_bytes: int) -> None:
        """Give a file that is whole its name, and remove what is left of its parts; idempotent."""
        ...

    def drop(self, message_id: str, *, is_replaced: bool) -> None:
        """Remove the parts of one that came to no whole file, and with `is_replaced` the file; idempotent."""
        ...

    def leftovers(self) -> list[str]:
        """The message ids of what is unfinished there."""
        ...

    def has(self, message_id: str) -> bool:
        """Whether the file of an ingestion is there, whole or not."""
        ...

    def close(self) -> None:
        """Let go of the lock; idempotent."""
        ...


class Mark(Protocol):
    """Remembers a number beyond the end of the process."""

    def read(self) -> int:
        """The number, 0 at first."""
        ...

    def write(self, event: int) -> None:
        """Remember it; raises OSError."""
        ...
