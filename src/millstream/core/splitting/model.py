"""The values of splitting: how a file is read, where it is cut, and what a worker found there.

Theory of operation: a file is its head (byte order mark, header) and then chunks, one after another without a gap.
A chunk is a byte range that starts and ends where a record does, so whoever has the dialect and the width of the
header can read it without knowing anything of what comes before. Records are numbered from 0 over the whole file,
the header not counted. A blank line is no record and has no number, in CSV (where `csv.reader` gives `[]` for
it and `csv.DictReader` leaves it out) and in JSONL; in a file of plain lines it is the record "".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from millstream.core.splitting.encoding import checked_encoding
from millstream.errors import InvalidValueError

DEFAULT_MAX_RECORD_BYTES = 64_000_000
DEFAULT_CHUNK_BYTES = 4_000_000

GROUP_RECORDS = 1000
"""How many records are read at a time."""

ID_COLUMN = "_id"
"""The name under which a published record carries its id; no column of a file keeps it."""

_LARGEST_RECORD_BYTES = 2**31 - 1  # what csv.field_size_limit takes on every platform

RecordT_co = TypeVar("RecordT_co", covariant=True)


class Format(StrEnum):
    """What separates the records of a file."""

    CSV = "csv"
    JSONL = "jsonl"
    LINES = "lines"


class Policy(StrEnum):
    """What becomes of a malformed record; none of them ever shifts a value into another column.

    `strict` and `skip` reject it (under `strict` the job counts as failed for that, under `skip` it does not).
    `pad` fills a CSV record that is too short with empty values and takes one whose last quote is never closed
    as `csv.reader` gives it; what is too long, or cannot be decoded, is rejected there as well.
    """

    STRICT = "strict"
    SKIP = "skip"
    PAD = "pad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How the bytes of a file become records.

    `delimiter` and `quote` are single ASCII characters and matter for CSV alone; `quote=None` means that quotes
    are ordinary characters, so a newline always ends a record. A quote inside a quoted field is doubled. `header`
    says that the first record of a CSV holds the names of the columns. `encoding` must contain ASCII unchanged.
    A record of more than `max_record_bytes`, its line end included, is rejected without being held in memory.
    Raises InvalidValueError.
    """

    format: Format = Format.CSV
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str | None = '"'
    header: bool = True
    max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", checked_encoding(self.encoding))
        _require_mark(self.delimiter, name="delimiter")
        if self.quote is not None:
            _require_mark(self.quote, name="quote")
        if self.quote == self.delimiter:
            raise InvalidValueError(name="quote", expected="another character than the delimiter", found=self.quote)
        if not 1 <= self.max_record_bytes <= _LARGEST_RECORD_BYTES:
            raise InvalidValueError(
                name="max_record_bytes",
                expected=f"1 to {_LARGEST_RECORD_BYTES} bytes",
                found=self.max_record_bytes,
            )


def _require_mark(mark: str, *, name: str) -> None:
    if len(mark) != 1 or not mark.isascii() or mark in "\r\n\0":
        raise InvalidValueError(name=name, expected="one ASCII character other than a line end or NUL", found=mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands before the records, kept in the plan so that every chunk can be read alone.

    `names` are the columns of a CSV, in order, unique, never empty and never `_id`; empty for the other formats
    and for a CSV without any record. The first chunk starts at byte `start`. `fingerprint` is equal for equal
    dialect and header, 32 hexadecimal digits.
    """

    names: tuple[str, ...]
    start: int
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A border between chunks: all that is needed to go on planning from there.

    `offset` is a byte offset in the (decompressed) file, `record` the number of the next record and `seq` that of
    the next chunk.
    """

    offset: int
    record: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A record-aligned range `[start, end)` with records `first_record` to `first_record + records - 1`.

    `too_long` marks a chunk that is one record over the limit: it is rejected unread. `unterminated` says that
    the file ends in its last record: without a line end, or inside quotes.
    """

    seq: int
    start: int
    end: int
    first_record: int
    records: int
    too_long: bool = False
    unterminated: bool = False

    @property
    def size_bytes(self) -> int:
        """The length of the range."""
        return self.end - self.start

    @property
    def before(self) -> Position:
        """The border at which the chunk starts."""
        return Position(offset=self.start, record=self.first_record, seq=self.seq)

    @property
    def after(self) -> Position:
        """The border at which the chunk ends."""
        return Position(offset=self.end, record=self.first_record + self.records, seq=self.seq + 1)


class Planned(NamedTuple):
    """A chunk and its bytes, so that who plans and works in one process reads the file once.

    `data` is empty if the chunk is too long to be read.
    """

    chunk: Chunk
    data: bytes


class Group(NamedTuple, Generic[RecordT_co]):
    """Some records in order, each with its number in the file; both of one length, never empty."""

    numbers: Sequence[int]
    records: Sequence[RecordT_co]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A malformed record: its number, its byte range `[start, end)` in the file, and what is wrong with it."""

    record: int
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """The chunk holds what the plan says; `records` counts the rejected ones, too."""

    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreed:
    """The chunk does not hold what the plan says: publish nothing of it and plan again, exactly, from `at`."""

    at: Position
    reason: str


Verdict = Agreed | Disagreed
