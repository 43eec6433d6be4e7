r"""Cut a CSV without parsing it: count quotes, and prove on the way that counting was right.

Theory of operation: after an even number of quotes one is outside of a quoted field, so a `\n` there ends a
record. This is what `csv.reader` finds too, *if* every quote that opens (by parity) stands at the start of a field;
`5" pipe` breaks it. So the chunk is split at its quotes, the pieces outside (every other one) are joined by a single
quote, and in that text each quote stands for one quoted stretch: what is before it has to be a delimiter, a line end,
another quote (`""`, escaped) or nothing. Then, by induction from the first quote on, `csv.reader` is inside quotes
exactly where the parity is odd; what follows a quote that closes does not matter, it is outside for both. The same
text, free of quoted newlines, gives the number of records. What it cannot prove (a stray quote, a lone `\r`, quotes
that are never closed) it leaves to the exact reader, for that chunk alone.

So a planned border is right whether or not the chunks before it were read by anybody yet, and workers may publish
them in any order. The parity of quotes as a way to find record borders in parallel: Chang Ge et al., "Speculative
Distributed CSV Data Parsing for Big Data Analytics", SIGMOD 2019; here the speculation is checked instead.
"""

import re
from collections.abc import Iterator

from millstream.core.splitting.csv_exact import whole_records
from millstream.core.splitting.cuts import Cut, WholeRecord
from millstream.core.splitting.lines import filled_plain_lines
from millstream.core.splitting.model import Dialect


class CsvCutter:
    """Cuts a CSV by the parity of its quotes where that is right, and lets it be read where not."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._quote = b"" if dialect.quote is None else dialect.quote.encode()
        quote, before = re.escape(self._quote), re.escape(self._quote + dialect.delimiter.encode()) + b"\r\n"
        # Starts with the quote itself, so that the search leaps from quote to quote.
        self._stray = re.compile(quote + b"(?<=[^" + before + b"]" + quote + b")")

    def fast(self, data: bytes, *, start: int, chunk_bytes: int, final: bool) -> Cut | None:
        """The chunk at `start` if parity can be trusted there, and no record in it can be too long."""
        end = self._border(data, start=start, at_least=start + chunk_bytes)
        if not end and not final:
            return None
        chunk = data[start : end or len(data)]
        if len(chunk) > self._dialect.max_record_bytes:
            return None
        records = self._count(chunk)
        return None if records is None else Cut(len(chunk), records, not chunk.endswith(b"\n"))

    def records(self, data: bytes, *, final: bool) -> Iterator[WholeRecord]:
        """The records as `csv.reader` reads them."""
        for fields, end, unclosed in whole_records(data, dialect=self._dialect, final=final):
            yield WholeRecord(bool(fields), end, unclosed)

    def _border(self, data: bytes, *, start: int, at_least: int) -> int:
        r"""The end of the first `\n` outside quotes that ends at `at_least` or later; 0 if there is none yet."""
        at = at_least - 1
        if at >= len(data):
            return 0
        inside = bool(self._quote) and data.count(self._quote, start, at) % 2 == 1
        while True:
            if inside:
                at = data.find(self._quote, at) + 1
                if not at:
                    return 0
            end = data.find(b"\n", at) + 1
            if not end or not self._quote or data.count(self._quote, at, end) % 2 == 0:
                return end
            inside, at = True, end

    def _count(self, chunk: bytes) -> int | None:
        """How many records there are, or None if parity does not tell."""
        outside = chunk
        if self._quote and self._quote in chunk:
            pieces = chunk.split(self._quote)
            outside = self._quote.join(pieces[::2])
            if len(pieces) % 2 == 0 or self._stray.search(outside):
                return None
        if b"\r" in outside:
            if outside.count(b"\r") != outside.count(b"\r\n"):
                return None
            if b"\n\r" in outside or outside.startswith(b"\r"):
                outside = outside.replace(b"\r\n", b"\n")
        return filled_plain_lines(outside)
