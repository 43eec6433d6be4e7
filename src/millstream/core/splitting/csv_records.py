"""Read the records of a chunk of a CSV.

Theory of operation: a group is taken from `csv.reader` in one go, and looked at as a whole: if all its records are
as wide as the header, and all bytes of the chunk are text, there is nothing to do. Only a group in which something
is odd (a blank line, too, makes it odd) is read a second time, one record at a time with its byte range.
"""

import re
from collections.abc import Iterator
from itertools import islice

from millstream.core.splitting.csv_exact import Block, whole_records
from millstream.core.splitting.encoding import is_text
from millstream.core.splitting.model import (
    GROUP_RECORDS,
    Agreed,
    Chunk,
    Dialect,
    Disagreed,
    Group,
    Policy,
    Rejected,
    Verdict,
)
from millstream.core.splitting.verdict import judge, too_long

_UNREADABLE = re.compile("[\ud800-\udfff]")
"""What surrogateescape makes of bytes that cannot be decoded; text has none of it."""


class CsvRecords:
    """The records of a chunk as lists of strings, each as wide as the header.

    `data` is exactly the chunk's bytes, empty if it is too long to be read. `rejected` are the malformed records,
    and `verdict` says whether the chunk is what was planned: both complete after the last group.
    """

    def __init__(self, data: bytes, *, chunk: Chunk, dialect: Dialect, width: int, policy: Policy) -> None:
        self._data = data
        self._chunk = chunk
        self._dialect = dialect
        self._width = width
        self._policy = policy
        self.rejected: list[Rejected] = []
        self.verdict: Verdict = Disagreed(at=chunk.before, reason="it was not read to its end")
        self._number = chunk.first_record
        self._unclosed = self._blanks = False

    def groups(self) -> Iterator[Group[list[str]]]:
        """The good records in order, at most GROUP_RECORDS at a time; to be run through once."""
        if self._chunk.too_long:
            self.rejected.append(too_long(self._chunk, dialect=self._dialect))
            self.verdict = Agreed(records=1)
            return
        readable = is_text(self._data, encoding=self._dialect.encoding)
        block = Block(self._data, dialect=self._dialect, errors="strict" if readable else "surrogateescape")
        line = measured = 0  # lines before the group, and lines whose length is in `start`
        start = self._chunk.start
        while rows := list(islice(block.reader, self._group_size())):
            if readable and not block.ran_out and set(map(len, rows)) == {self._width}:
                yield Group(range(self._number, self._number + len(rows)), rows)
                self._number += len(rows)
            else:
                start += sum(map(len, block.lines[measured:line]))
                measured = line
                good = self._one_by_one(b"".join(block.lines[line : block.reader.line_num]), start=start)
                if good.records:
                    yield good
            line = block.reader.line_num
        self.verdict = judge(
            self._chunk,
            size_bytes=len(self._data),
            records=self._number - self._chunk.first_record,
            ends_whole=not self._unclosed and self._data.endswith((b"\n", b"\r")),
        )

    def _group_size(self) -> int:
        """No more than planned, so that the reader is not asked beyond its last record: it then tells if it ran out.

        With blank lines, which are planned nowhere, it may be asked; the group then counts as odd.
        """
        left = self._chunk.first_record + self._chunk.records - self._number
        return min(left, GROUP_RECORDS) if left > 0 and not self._blanks else GROUP_RECORDS

    def _one_by_one(self, data: bytes, *, start: int) -> Group[list[str]]:
        """What is good among the records in `data`, which is at `start` in the file; the others are rejected."""
        numbers: list[int] = []
        records: list[list[str]] = []
        begin = start
        for fields, offset, unclosed in whole_records(data, dialect=self._dialect, final=True):
            end = start + offset
            self._unclosed = unclosed
            if fields:
                reason = self._flaw(fields, unclosed=unclosed)
                if reason:
                    self.rejected.append(Rejected(record=self._number, start=begin, end=end, reason=reason))
                else:
                    numbers.append(self._number)
                    records.append(fields + [""] * (self._width - len(fields)))
                self._number += 1
            else:
                self._blanks = True
            begin = end
        return Group(numbers, records)

    def _flaw(self, fields: list[str], *, unclosed: bool) -> str:
        """What is wrong with a record; nothing, if the policy mends it."""
        lenient = self._policy is Policy.PAD
        if any(map(_UNREADABLE.search, fields)):
            return f"expected text in {self._dialect.encoding}, found bytes that are not"
        if len(fields) > self._width or (len(fields) < self._width and not lenient):
            return f"expected {self._width} fields, found {len(fields)}"
        if unclosed and not lenient:
            return "expected a closing quote, found the end of the file"
        return ""
