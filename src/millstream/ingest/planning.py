"""One plan step: find the file, read its head, and cut the next stretch of it into chunks.

Theory of operation: the first step of an ingestion finds the version that every later read must match, unpacks the file
if it cannot be read in ranges, and reads its head. Every step then streams from the border it was given and stops at
`chunks_of_a_step` chunks, so it holds a chunk and some pieces, however long the file is. What is wrong with the file
is an answer (`Spoiled`), what is wrong with the store is an error: that is tried again.
"""

from collections.abc import Iterator
from dataclasses import replace

from millstream.core.ingestion import FileState, PlanReport, PlanTask, Spoiled, chunks_of_a_step
from millstream.core.splitting import Chunk, Dialect, Head, Planner, Position, read_head
from millstream.errors import (
    InvalidValueError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectRefusedError,
    UnreadableFileError,
)
from millstream.ingest.copying import (
    SNIFFED_BYTES,
    Places,
    Readable,
    make_copy,
    needed_unpacking,
    of_copy,
    readable,
)
from millstream.ingest.native import native_cutter

SMALLEST_PIECE_BYTES = 65_536
LARGEST_PIECE_BYTES = 1 << 20


def plan_step(task: PlanTask, *, places: Places) -> PlanReport | Spoiled:
    """Plan on from `task.at`: the next chunks in order, or why the file cannot be planned.

    Blocks, and holds about two chunks. Calls `places.heartbeat` between pieces. Raises StoreUnavailableError.
    """
    try:
        if task.found is not None:
            return _cut(task, source=readable(task.spec, found=task.found, places=places), places=places)
        found, source = _find(task, places=places)
        first = replace(task, found=found, at=Position(offset=found.head.start))
        return _cut(first, source=source, places=places)
    except ObjectChangedError as error:
        return Spoiled(reason=str(error), changed=True)
    except (ObjectMissingError, ObjectRefusedError, UnreadableFileError, InvalidValueError) as error:
        return Spoiled(reason=str(error))


def _find(task: PlanTask, *, places: Places) -> tuple[FileState, Readable]:
    """Which version there is, where its bytes can be read, and its head."""
    spec = task.spec
    stored = places.store.head(spec.name)
    source = Readable(store=places.store, name=spec.name, version=stored.version, size_bytes=stored.size_bytes)
    first = source.read(start=0, end=min(SNIFFED_BYTES, source.size_bytes))
    compression = needed_unpacking(first, spec=spec)
    if compression is not None:
        copy = make_copy(spec, version=stored.version, compression=compression, places=places)
        source = of_copy(copy, places=places)
    found = FileState(
        version=stored.version,
        size_bytes=source.size_bytes,
        head=_read_head(source, dialect=spec.dialect),
        copy=source.name if source.is_copy else "",
        copy_version=source.version if source.is_copy else "",
        stored_bytes=stored.size_bytes if source.is_copy else None,
    )
    return found, source


def _read_head(source: Readable, *, dialect: Dialect) -> Head:
    """Read as much of the start as the head needs; a header that is too long raises UnreadableFileError."""
    size = SNIFFED_BYTES
    while True:
        data = source.read(start=0, end=min(size, source.size_bytes))
        head = read_head(data, dialect=dialect, final=size >= source.size_bytes)
        if head is not None:
            return head
        size *= 2


def _cut(task: PlanTask, *, source: Readable, places: Places) -> PlanReport:
    if task.found is None:
        raise ValueError("a file is cut once it was found")
    dialect = task.spec.dialect
    planner = Planner(
        dialect, at=task.at, chunk_bytes=task.spec.chunk_bytes, exact=task.exact, cutter=native_cutter(dialect)
    )
    chunks: list[Chunk] = []
    for chunk in _chunks(planner, pieces=_pieces(task, source=source, places=places)):
        if len(chunks) == chunks_of_a_step(task.at):
            return PlanReport(found=task.found, chunks=tuple(chunks), at=chunks[-1].after, is_last=False)
        chunks.append(chunk)
    return PlanReport(found=task.found, chunks=tuple(chunks), at=planner.position, is_last=True)


def _chunks(planner: Planner, *, pieces: Iterator[bytes]) -> Iterator[Chunk]:
    for piece in pieces:
        yield from (planned.chunk for planned in planner.feed(piece))
    yield from (planned.chunk for planned in planner.finish())


def _pieces(task: PlanTask, *, source: Readable, places: Places) -> Iterator[bytes]:
    """The bytes from where the step starts, in pieces that fit the chunks: a step of small ones reads little more."""
    if task.at.offset >= source.size_bytes:
        return
    size = max(SMALLEST_PIECE_BYTES, min(LARGEST_PIECE_BYTES, task.spec.chunk_bytes))
    for piece in source.stream(start=task.at.offset, piece_bytes=size):
        places.heartbeat()
        yield piece
