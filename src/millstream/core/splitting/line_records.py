r"""Read the records of a chunk of JSONL or plain lines.

Theory of operation: lines are split at `\n` in one go; the `\r` of a line end goes with it. Only a group in which
something is odd (a blank line, bytes that are no text) is looked at line by line. Byte ranges are computed when the
first record is rejected. Whether a line is a JSON object is for the one who renders it to find out, and to `reject`.
"""

from collections.abc import Iterator
from itertools import accumulate, repeat

from millstream.core.splitting.encoding import is_text
from millstream.core.splitting.model import (
    GROUP_RECORDS,
    Agreed,
    Chunk,
    Dialect,
    Disagreed,
    Format,
    Group,
    Rejected,
    Verdict,
)
from millstream.core.splitting.verdict import judge, too_long


class LineRecords:
    """The lines of a chunk as text, without their line ends.

    `data` is exactly the chunk's bytes, empty if it is too long to be read. `rejected` are the malformed records,
    and `verdict` says whether the chunk is what was planned: both complete after the last group.
    """

    def __init__(self, data: bytes, *, chunk: Chunk, dialect: Dialect) -> None:
        self._data = data
        self._chunk = chunk
        self._dialect = dialect
        self.rejected: list[Rejected] = []
        self.verdict: Verdict = Disagreed(at=chunk.before, reason="it was not read to its end")
        self._lines: list[bytes] = []
        self._filled: list[int] | None = None  # the line of each record; None: every line is one
        self._ends: list[int] = []

    def groups(self) -> Iterator[Group[str]]:
        """The good records in order, at most GROUP_RECORDS at a time; to be run through once."""
        if self._chunk.too_long:
            self.rejected.append(too_long(self._chunk, dialect=self._dialect))
            self.verdict = Agreed(records=1)
            return
        self._lines = self._data.split(b"\n")
        whole = not self._lines[-1]
        if whole:
            self._lines.pop()
        self._leave_out_blanks()
        readable = is_text(self._data, encoding=self._dialect.encoding)
        count = len(self._lines if self._filled is None else self._filled)
        for begin in range(0, count, GROUP_RECORDS):
            numbers = range(
                self._chunk.first_record + begin, self._chunk.first_record + min(begin + GROUP_RECORDS, count)
            )
            good = Group(numbers, self._texts(numbers)) if readable else self._one_by_one(numbers)
            if good.records:
                yield good
        self.verdict = judge(self._chunk, size_bytes=len(self._data), records=count, ends_whole=whole)

    def reject(self, number: int, *, reason: str) -> None:
        """Say that a record that was given is malformed after all."""
        if not self._ends:
            self._ends = list(accumulate((len(line) + 1 for line in self._lines), initial=self._chunk.start))
        line = self._line(number)
        end = min(self._ends[line + 1], self._chunk.end)  # the last line of a file may have no line end
        self.rejected.append(Rejected(record=number, start=self._ends[line], end=end, reason=reason))

    def _leave_out_blanks(self) -> None:
        if self._dialect.format is Format.JSONL:
            filled = [index for index, line in enumerate(self._lines) if line.strip(b"\r")]
            if len(filled) < len(self._lines):
                self._filled = filled

    def _line(self, number: int) -> int:
        index = number - self._chunk.first_record
        return index if self._filled is None else self._filled[index]

    def _texts(self, numbers: range) -> list[str]:
        if self._filled is None:
            first = self._chunk.first_record
            lines = self._lines[numbers.start - first : numbers.stop - first]
        else:
            lines = [self._lines[self._line(number)] for number in numbers]
        texts = map(bytes.decode, lines, repeat(self._dialect.encoding))
        return [text.removesuffix("\r") for text in texts]

    def _one_by_one(self, numbers: range) -> Group[str]:
        """The lines that are text; the others are rejected."""
        good: list[int] = []
        texts: list[str] = []
        for number in numbers:
            try:
                texts += self._texts(range(number, number + 1))
                good.append(number)
            except UnicodeDecodeError:
                self.reject(number, reason=f"expected text in {self._dialect.encoding}, found bytes that are not")
        return Group(good, texts)
