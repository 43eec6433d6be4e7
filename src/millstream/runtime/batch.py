"""What a handler is given: its batch and its context.

Theory of operation: a `Batch` never holds its records in memory; iterating it streams them from the spool, and
checks length and checksum on the way, so a damaged spool is an error and never a short batch.
"""

import json
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from millstream.core.model import CutReason, FileRef, Job, Kind, Outcome
from millstream.core.tasks import ChunkTask, PlanTask, Report
from millstream.errors import HostLostError, SpoolDamagedError
from millstream.runtime.interrupt import AttemptInterrupted

ReadSpool = Callable[[str, Sequence[tuple[int, int]]], Iterator[bytes]]
"""`(log, ranges) -> pieces of bytes`; how a batch reads its records."""


class Batch:
    """A batch to be worked: iterate it for the records of a minibatch, or use `files` of a bucket.

    Iterating yields each record as bytes without its newline, whatever the bytes are, and can be repeated.
    """

    def __init__(self, job: Job, *, read: ReadSpool | None = None) -> None:
        self._job = job
        self._read = read

    @property
    def id(self) -> str:
        """The batch's name, `[A-Za-z0-9._-]+`: stable over attempts and restarts, use it as idempotency key."""
        return self._job.id

    @property
    def kind(self) -> Kind:
        """Minibatch, bucket or chunk."""
        return self._job.kind

    @property
    def pipeline(self) -> str:
        """The pipeline it belongs to."""
        return self._job.pipeline

    @property
    def key(self) -> str | None:
        """The value of the key field that all records share, as text; None without `--key`."""
        return self._job.key

    @property
    def fence(self) -> int:
        """Rises with every claim, so that the outside can tell a later attempt from an earlier one."""
        return self._job.fence

    @property
    def cut(self) -> CutReason | None:
        """Why it was closed; None for a bucket."""
        return self._job.cut

    @property
    def opened_at(self) -> float:
        """Engine time of the first record, in seconds."""
        return self._job.opened_at

    @property
    def closed_at(self) -> float:
        """Engine time of the cut, in seconds."""
        return self._job.closed_at

    @property
    def size_bytes(self) -> int:
        """Bytes of all records with their newlines, or of all files."""
        return self._job.size_bytes

    @property
    def plan(self) -> PlanTask | None:
        """What a plan step of an ingestion has to do; None for other batches."""
        return self._job.plan

    @property
    def chunk(self) -> ChunkTask | None:
        """What is to be published of a chunk; None for other batches."""
        return self._job.chunk

    @property
    def files(self) -> tuple[FileRef, ...]:
        """The files of a bucket, which must be there unchanged when the handler returns; empty for a minibatch."""
        return self._job.files

    def holding(self, files: tuple[FileRef, ...]) -> "Batch":
        """The same batch with other references to its files."""
        return Batch(replace(self._job, files=files), read=self._read)

    @property
    def log(self) -> str:
        """Where the records of a minibatch lie: a log of the spool, or the object that holds a copy of them."""
        return self._job.log

    @property
    def checksum(self) -> int:
        """The CRC-32 of the records of a minibatch with their newlines."""
        return self._job.checksum

    def reading(self, read: ReadSpool) -> "Batch":
        """The same batch with records that are read in another way."""
        return Batch(self._job, read=read)

    @property
    def oversize(self) -> bool:
        """Whether this bucket holds one file that is larger than a bucket may be."""
        return self._job.oversize

    def __len__(self) -> int:
        """Number of records, or of files."""
        return self._job.records

    def __repr__(self) -> str:
        return f"<Batch {self.id}: {len(self)} {'files' if self.files else 'records'}, {self.size_bytes} bytes>"

    def blocks(self) -> Iterator[bytes]:
        """The records as they lie in the spool: bytes in pieces, each record ending with a newline.

        Raises SpoolDamagedError when length or checksum are not what the ledger recorded.
        """
        if self._read is None:
            return
        checksum = length = 0
        for piece in self._read(self._job.log, self._job.ranges):
            checksum = zlib.crc32(piece, checksum)
            length += len(piece)
            yield piece
        if (length, checksum) != (self._job.size_bytes, self._job.checksum):
            raise SpoolDamagedError(
                path=self.id,
                expected=f"{self._job.size_bytes} bytes with checksum {self._job.checksum:08x}",
                found=f"{length} bytes with checksum {checksum:08x}",
            )

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for piece in self.blocks():
            first, *others = piece.split(b"\n")
            if not others:
                rest += first
                continue
            yield rest + first
            rest = others.pop()
            yield from others

    def json(self) -> Iterator[object]:
        """The records decoded as JSON; raises ValueError at the first one that is not."""
        return (json.loads(record) for record in self)


class Spawn(Protocol):
    """Runs a command of an attempt in a process group of its own that dies with the engine."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], stdin: int) -> tuple[int, str]:
        """Run to the end; returns the exit code (or minus the signal) and the last 4 KB of its standard error.

        `env` is added to the engine's environment; `stdin` is an open file descriptor, read from where it stands.
        Blocks; anything the command left in its group is killed when it ends.
        """
        ...


def _spawn_nowhere(argv: Sequence[str], *, env: Mapping[str, str], stdin: int) -> tuple[int, str]:
    del env, stdin
    raise HostLostError(f"command {argv[0]!r}: commands run in a worker host only, and this attempt runs in none")


class Context:
    """What an attempt may ask of its surroundings.

    `scratch` is a folder for temporary files. A handler that computes the SHA-256 of a file of its bucket anyway
    may leave the hex digest in `checksums` under the path, so that it is not computed again. `report` is where the
    handler of an ingestion says what it found.
    """

    def __init__(
        self,
        job: Job,
        *,
        spawn: Spawn = _spawn_nowhere,
        scratch: str = "",
        cancelled: threading.Event | None = None,
    ) -> None:
        self.attempt: int = job.attempt
        self.batch_id: str = job.id
        self.scratch = scratch
        self.spawn = spawn
        self.checksums: dict[str, str] = {}
        self.report: Report | None = None
        self._cancelled = cancelled or threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether the attempt should end, as its time is up or it was cancelled: what it returns then is ignored."""
        return self._cancelled.is_set()

    def heartbeat(self) -> None:
        """Be interruptible here: raises AttemptInterrupted when the attempt should end; cheap.

        For long loops in extension code, which an interrupt cannot reach, and in async handlers, between awaits.
        """
        if self._cancelled.is_set():
            raise AttemptInterrupted


Handler = Callable[[Batch, Context], object]
"""A user's function, sync or async: `def load(batch, context)`; returns Done, Retry, Discard or None (done)."""

MakeHandler = Callable[[], Handler]
"""Called in the worker host after it was forked; imports and builds the handler."""

__all__ = ["Batch", "Context", "Handler", "MakeHandler", "Outcome", "ReadSpool", "Spawn"]
