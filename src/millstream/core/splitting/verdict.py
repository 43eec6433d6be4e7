"""Whether a chunk is what the plan says.

Theory of operation: the planner's borders are proven, so the verdict is a second look with other eyes: the chunk has
to end where a record does, with as many records as were planned. If it does not (the plan was made of another version
of the file, or by other rules), nothing of the chunk may be published, and the plan is replaced from the chunk's
start on by that of an exact planner.
"""

from millstream.core.splitting.model import Agreed, Chunk, Dialect, Disagreed, Rejected, Verdict


def judge(chunk: Chunk, *, size_bytes: int, records: int, ends_whole: bool) -> Verdict:
    """Compare a chunk that was read with what was planned."""
    if size_bytes != chunk.size_bytes:
        reason = f"expected {chunk.size_bytes} bytes, found {size_bytes}"
    elif not ends_whole and not chunk.unterminated:
        reason = "expected the end of a record at its end, found the middle of one"
    elif records != chunk.records:
        reason = f"expected {chunk.records} records, found {records}"
    else:
        return Agreed(records=records)
    return Disagreed(at=chunk.before, reason=f"bytes {chunk.start} to {chunk.end}: {reason}")


def too_long(chunk: Chunk, *, dialect: Dialect) -> Rejected:
    """The only record of a chunk that is too long to be read."""
    return Rejected(
        record=chunk.first_record,
        start=chunk.start,
        end=chunk.end,
        reason=f"expected at most {dialect.max_record_bytes} bytes, found {chunk.size_bytes}",
    )
