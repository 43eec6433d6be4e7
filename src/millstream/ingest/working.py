"""Publish one chunk: read its range, render its records, hand them to the sink.

Theory of operation: nothing is handed over before the whole chunk was read and found to be what was planned, because a
border that is wrong spoils the records on both sides of it. What a chunk's records are depends on the version of the
file and the plan alone; so if the sink says that an earlier attempt published them already, they are rendered again
just to count them, and the counts are those of what was published.
"""

from collections.abc import Callable
from functools import lru_cache

from millstream.core.ingestion import REJECTS_KEPT, ChunkReport, ChunkTask, FileSpec, Spoiled
from millstream.core.splitting import Disagreed, Head
from millstream.errors import ObjectChangedError, ObjectMissingError, ObjectRefusedError, UnreadableFileError
from millstream.ingest.copying import Places, readable
from millstream.ingest.rendering import Rendered, Renderer
from millstream.ports.sink import ChunkWriter, Publication, Published, Sink

RENDERERS_KEPT = 16
"""Ingestions whose renderer a process keeps: making one makes a class."""


class Publisher:
    """Publishes chunks, of many ingestions and in many threads."""

    def __init__(self) -> None:
        self._renderer = lru_cache(maxsize=RENDERERS_KEPT)(_make_renderer)

    def publish(
        self, task: ChunkTask, *, publication: Publication, places: Places, sink: Sink
    ) -> ChunkReport | Spoiled:
        """Publish the records of `task.chunk`, or say why the ingestion cannot go on as it was planned.

        Blocks; holds the chunk and its JSON. Calls `places.heartbeat` between blocks of records. Raises what sinks
        raise, and StoreUnavailableError; the writer was aborted then.
        """
        try:
            data = _read(task, places=places)
        except ObjectChangedError as error:
            return Spoiled(reason=str(error), changed=True)
        except (ObjectMissingError, ObjectRefusedError, UnreadableFileError) as error:
            return Spoiled(reason=str(error))
        rendered = self._renderer(task.spec, task.found.head).render(data, chunk=task.chunk)
        del data
        if isinstance(rendered.verdict, Disagreed):
            return Spoiled(reason=rendered.verdict.reason, replan_from=rendered.verdict.at)
        records = rendered.records
        published = _write(rendered, publication=publication, sink=sink, heartbeat=places.heartbeat)
        return ChunkReport(
            published=records,
            rejected=len(rendered.rejected),
            rejects=tuple(rendered.rejected[:REJECTS_KEPT]),
            receipt=published.receipt,
            out_bytes=published.out_bytes,
        )


def _make_renderer(spec: FileSpec, head: Head) -> Renderer:
    return Renderer(message_id=spec.message_id, dialect=spec.dialect, head=head, policy=spec.policy)


def _read(task: ChunkTask, *, places: Places) -> bytes:
    """The bytes of the chunk; none of one that is too long to be read."""
    source = readable(task.spec, found=task.found, places=places)
    if source.size_bytes != task.found.size_bytes:
        raise ObjectChangedError(
            name=task.spec.name, expected=f"{task.found.size_bytes} bytes", found=f"{source.size_bytes} bytes"
        )
    if task.chunk.too_long:
        return b""
    data = source.read(start=task.chunk.start, end=task.chunk.end)
    if len(data) != task.chunk.size_bytes:
        raise ObjectChangedError(
            name=task.spec.name,
            expected=f"{task.chunk.size_bytes} bytes from byte {task.chunk.start} on",
            found=f"{len(data)} bytes",
        )
    return data


def _write(rendered: Rendered, *, publication: Publication, sink: Sink, heartbeat: Callable[[], None]) -> Published:
    writer = sink.open(publication)
    if isinstance(writer, Published):
        return writer
    try:
        return _write_blocks(rendered, writer=writer, heartbeat=heartbeat)
    except BaseException:  # an interrupt, too, must leave nothing behind
        writer.abort()
        raise


def _write_blocks(rendered: Rendered, *, writer: ChunkWriter, heartbeat: Callable[[], None]) -> Published:
    """Hand all blocks over, and forget each of them then: a sink may keep what it got in a form of its own."""
    blocks = rendered.blocks
    blocks.reverse()
    while blocks:
        block = blocks.pop()
        heartbeat()
        numbers = block.numbers
        writer.write(block.data, numbers=numbers if isinstance(numbers, range | list) else list(numbers))
    heartbeat()
    return writer.commit()
