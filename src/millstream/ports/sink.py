"""The port of sinks: where the records of a chunk go.

Called from worker threads, so it blocks. A sink must refuse a zombie, a writer that was paused while its successor
published the same chunk: what `commit` says happened, and nothing else did.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Which chunk is published, by which claim; `batch_id` is the same for every attempt, `fence` rises with each.

    `records` are to be published (the rejected ones not among them), numbered from `first_record` on.
    """

    batch_id: str
    message_id: str
    seq: int
    fence: int
    attempt: int
    first_record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became durable: `receipt` is the sink's own note, kept in the ledger; `out_bytes` what was written."""

    receipt: str
    out_bytes: int


class ChunkWriter(Protocol):
    """Publishes one chunk; used by one thread."""

    def write(self, lines: bytes, *, numbers: "range | list[int]") -> None:
        """Take some records: JSON objects, one per line, each with its newline, and their numbers in the file."""
        ...

    def commit(self) -> Published:
        """Return once all of it is durable at the other side. Nothing is visible before, where the sink can do that."""
        ...

    def abort(self) -> None:
        """Give it up; idempotent, and does nothing after `commit`."""
        ...


class Sink(Protocol):
    """A file, queue or topic.

    Raises SinkUnavailableError when it is down, SinkRefusedError when it will never take this.

    `FencedError` from `commit`: a successor took over, and nothing of this attempt was published.
    """

    @property
    def address(self) -> str:
        """Where records go, for people and without credentials."""
        ...

    def open(self, publication: Publication) -> ChunkWriter | Published:
        """Begin a chunk; or what an earlier attempt published of it already, if the sink knows."""
        ...

    def check(self) -> None:
        """Raise unless records could be published just now."""
        ...

    def close(self) -> None:
        """Let go of connections; idempotent."""
        ...
