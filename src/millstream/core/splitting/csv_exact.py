r"""What the records of a CSV are, and where exactly each of them ends.

Theory of operation: `csv.reader` is the truth, fed with physical lines as a file opened with `newline=""` gives
them: each ends with `\n`, `\r\n` or a lone `\r`, and keeps it. The reader takes one line after the other and never
more than the record needs, so its `line_num` after a record, looked up in the summed lengths of the lines, is the
exact byte offset of the record's end. Whether the last record is whole is seen from outside, too: a reader that asked
for one more line than there is was inside quotes.

In a block that more bytes may follow, a last line without `\n` is left alone (after `\r` there could be a `\n`), and
so is a record that is still inside quotes. A record longer than the block is read again from its start once twice
as much is there, so the work stays linear in the length of the file.
"""

import csv
from collections.abc import Iterator
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from millstream.core.splitting.model import Dialect
from millstream.core.splitting.skipping import Skipper, skipper

_NO_FIELD_LIMIT = 2**31 - 1  # the largest that every platform takes


class Block:
    """One pass of `csv.reader` over a block of bytes that starts at the start of a record.

    `reader.line_num` counts the `lines` it has taken; `ran_out` says that it asked for one more, so the record
    it gave last is inside quotes at the end of the block. `errors` is what becomes of bytes that cannot be decoded,
    as in `bytes.decode`.
    """

    __slots__ = ("_asked", "lines", "reader")

    def __init__(self, data: bytes, *, dialect: Dialect, errors: str = "strict") -> None:
        # The limit is one for the whole process; here the length of the block takes its place.
        csv.field_size_limit(_NO_FIELD_LIMIT)
        self.lines = data.splitlines(keepends=True)  # of bytes: splits at \n, \r and \r\n only
        self._asked: list[
            bool
        ] = []  # and not a field that the generator sets: in a cycle, the lines would stay for long
        texts = map(bytes.decode, self.lines, repeat(dialect.encoding), repeat(errors))
        self.reader = csv.reader(
            chain(texts, _end(self._asked)),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            quoting=csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
        )

    @property
    def ran_out(self) -> bool:
        """Whether the reader asked for a line behind the last."""
        return bool(self._asked)


def _end(asked: list[bool]) -> Iterator[str]:
    """No more lines; notes that it was asked for one."""
    asked.append(True)
    yield from ()


def whole_records(data: bytes, *, dialect: Dialect, final: bool) -> Iterator[tuple[list[str], int, bool]]:
    """The records of a block that starts at the start of one, as far as they are surely whole.

    Gives (fields, end offset in `data`, whether it ends inside quotes); a blank line is a record without fields.
    With `final`, `data` reaches the end of the file and everything is given; without, only the last may be missing.
    Bytes that cannot be decoded are lone surrogates in the values.
    """
    block = Block(data if final else data[: _settled(data)], dialect=dialect, errors="surrogateescape")
    ends = list(accumulate(map(len, block.lines), initial=0))
    for fields in block.reader:
        if block.ran_out and not final:
            return
        yield fields, ends[block.reader.line_num], block.ran_out


def _settled(data: bytes) -> int:
    r"""Where the last line ends of which more bytes could not make another: a `\r` at the very end may be half."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1


class Row(NamedTuple):
    """A record as `csv.reader` gives it, and its byte range `[start, end)`; a blank line has no fields.

    `unclosed`: the file ends inside its quotes. `too_long`: over the limit, its fields were not read.
    """

    fields: list[str]
    start: int
    end: int
    unclosed: bool = False
    too_long: bool = False


class ExactReader:
    """The records of a CSV from pieces of bytes of any size, each with its exact byte range.

    The first piece starts at the start of a record, at byte `start` of the file, after any byte order mark. Holds
    about the longest record and a piece at most. Bytes that cannot be decoded are lone surrogates in the values.
    """

    def __init__(self, dialect: Dialect, *, start: int = 0) -> None:
        self._dialect = dialect
        self._start = start  # of the first byte that is held, and of a record
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._wanted_bytes = 1
        self._too_long: Skipper | None = None
        self._passed_bytes = 0  # of the record that is too long

    def feed(self, piece: bytes) -> list[Row]:
        """Take the next bytes; the records that are surely whole by now and were not given before."""
        self._held.append(piece)
        self._held_bytes += len(piece)
        return self._rows(final=False) if self._held_bytes >= self._wanted_bytes else []

    def finish(self) -> list[Row]:
        """There are no more bytes: the records that are left."""
        return self._rows(final=True)

    def _rows(self, *, final: bool) -> list[Row]:
        data = b"".join(self._held)
        rows: list[Row] = []
        while data:
            if self._too_long is not None:
                end = self._too_long.feed(data)
                self._passed_bytes += len(data) if end is None else end
                data = b"" if end is None else data[end:]
                if end is not None:
                    self._give_too_long(rows, size=self._passed_bytes)
                continue
            data = self._read(rows, data=data, final=final)
            if len(data) <= self._dialect.max_record_bytes:
                break
            self._too_long = skipper(self._dialect)
        if final and self._too_long is not None:
            self._give_too_long(rows, size=self._passed_bytes)
        self._held, self._held_bytes = [data], len(data)
        self._wanted_bytes = min(max(1, 2 * len(data)), self._dialect.max_record_bytes + 1)
        return rows

    def _read(self, rows: list[Row], *, data: bytes, final: bool) -> bytes:
        """Add the whole records of the block; what is left of it."""
        begin = 0
        for fields, end, unclosed in whole_records(data, dialect=self._dialect, final=final):
            size = end - begin
            if size > self._dialect.max_record_bytes:
                self._give_too_long(rows, size=size)
            else:
                rows.append(Row(fields, self._start, self._start + size, unclosed))
                self._start += size
            begin = end
        return data[begin:]

    def _give_too_long(self, rows: list[Row], *, size: int) -> None:
        rows.append(Row([], self._start, self._start + size, too_long=True))
        self._start += size
        self._too_long, self._passed_bytes = None, 0
