"""Read the records of one chunk.

Theory of operation: a worker holds the bytes of its chunk, takes the records in groups, and afterwards knows two
things: which records were malformed, and the verdict. Until then nothing of the chunk may be published. Groups exist
because a list of all records of a chunk makes the garbage collector walk over them again and again.
"""

from millstream.core.splitting.csv_records import CsvRecords
from millstream.core.splitting.line_records import LineRecords
from millstream.core.splitting.model import Chunk, Dialect, Format, Head, Policy, Verdict


def read_chunk(
    data: bytes, *, chunk: Chunk, dialect: Dialect, head: Head, policy: Policy = Policy.STRICT
) -> CsvRecords | LineRecords:
    """The records of the chunk whose bytes are `data` (empty if it is too long to be read)."""
    if dialect.format is Format.CSV:
        return CsvRecords(data, chunk=chunk, dialect=dialect, width=len(head.names), policy=policy)
    return LineRecords(data, chunk=chunk, dialect=dialect)


def verify_chunk(data: bytes, *, chunk: Chunk, dialect: Dialect, head: Head) -> Verdict:
    """Whether `data` holds what was planned. Reads all of it; who wants the records has the verdict for nothing."""
    records = read_chunk(data, chunk=chunk, dialect=dialect, head=head)
    for _ in records.groups():
        pass
    return records.verdict
