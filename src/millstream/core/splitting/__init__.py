"""Cut one big file at record borders, and read the records of each piece: CSV, JSONL and plain lines.

`read_head` says what stands before the records, `Planner` cuts the rest into chunks with exact record numbers,
`read_chunk` reads the records of one and says whether it is what was planned; `ExactReader` is what they are
measured against, and `owned_lines` does without a plan where a newline always ends a record.
"""

from millstream.core.splitting.csv_exact import ExactReader, Row
from millstream.core.splitting.csv_records import CsvRecords
from millstream.core.splitting.cuts import Cut, Cutter, WholeRecord
from millstream.core.splitting.head import column_names, read_head
from millstream.core.splitting.line_records import LineRecords
from millstream.core.splitting.lines import owned_lines
from millstream.core.splitting.model import (
    DEFAULT_CHUNK_BYTES,
    DEFAULT_MAX_RECORD_BYTES,
    ID_COLUMN,
    Agreed,
    Chunk,
    Dialect,
    Disagreed,
    Format,
    Group,
    Head,
    Planned,
    Policy,
    Position,
    Rejected,
    Verdict,
)
from millstream.core.splitting.planner import Planner, cutter_of
from millstream.core.splitting.records import read_chunk, verify_chunk

__all__ = [
    "DEFAULT_CHUNK_BYTES",
    "DEFAULT_MAX_RECORD_BYTES",
    "ID_COLUMN",
    "Agreed",
    "Chunk",
    "CsvRecords",
    "Cut",
    "Cutter",
    "Dialect",
    "Disagreed",
    "ExactReader",
    "Format",
    "Group",
    "Head",
    "LineRecords",
    "Planned",
    "Planner",
    "Policy",
    "Position",
    "Rejected",
    "Row",
    "Verdict",
    "WholeRecord",
    "column_names",
    "cutter_of",
    "owned_lines",
    "read_chunk",
    "read_head",
    "verify_chunk",
]
