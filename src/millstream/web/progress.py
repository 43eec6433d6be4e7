"""How fast a job goes, and when it will be at its end.

Theory of operation: the rate is that of the chunks which ended within the last half minute, because the beginning says
little about the end; where chunks take longer than that, it is the mean since the start. What is left is measured in
bytes, for how many records it holds nobody knows yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.core.ingestion import ChunkRow, IngestionRow, Status

WINDOW_S = 30.0
RECENT_CHUNKS = 200
ENDED = frozenset({Status.SUCCEEDED, Status.PARTIAL, Status.FAILED, Status.CANCELLED})
SHORTEST_S = 0.05
"""What took less cannot be told from nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Records per second and seconds to the end, None where nobody can say."""

    records_per_s: float | None = None
    eta_s: float | None = None


def pace(row: IngestionRow, *, recent: Sequence[ChunkRow], now_s: float) -> Pace:
    """The pace of a job; `recent` are done chunks, those that ended last among them."""
    if row.started_at is None:
        return Pace()
    if row.status in ENDED:
        took_s = (now_s if row.ended_at is None else row.ended_at) - row.started_at
        return Pace(records_per_s=_per_s(row.records_published, took_s))
    if row.status is not Status.RUNNING:
        return Pace()
    records, size_bytes, seconds = _lately(row, started_at=row.started_at, recent=recent, now_s=now_s)
    bytes_per_s = _per_s(size_bytes, seconds)
    left = None if row.found is None else max(0, row.found.size_bytes - row.found.head.start - row.bytes_done)
    eta_s = left / bytes_per_s if bytes_per_s and left is not None else None
    return Pace(records_per_s=_per_s(records, seconds), eta_s=eta_s)


def _lately(
    row: IngestionRow, *, started_at: float, recent: Sequence[ChunkRow], now_s: float
) -> tuple[int, int, float]:
    """Records, bytes and seconds that the rates are made of."""
    ended = [(chunk.finished_at, chunk) for chunk in recent if chunk.finished_at is not None]
    new = [(at, chunk) for at, chunk in ended if at >= now_s - WINDOW_S]
    if not new:
        return row.records_published, row.bytes_done, now_s - started_at
    begin = max(started_at, now_s - WINDOW_S)
    if len(new) == len(ended) < row.chunks_done:  # there were more than are known here: begin behind the oldest
        oldest = min(at for at, _ in new)
        begin, new = oldest, [(at, chunk) for at, chunk in new if at > oldest]
    seconds = now_s - begin
    return sum(chunk.published for _, chunk in new), sum(chunk.chunk.size_bytes for _, chunk in new), seconds


def _per_s(amount: int, seconds: float) -> float | None:
    return amount / seconds if seconds >= SHORTEST_S else None
