"""Where a chunk ends: the rule, and the exact way to find out.

Theory of operation: a chunk is the shortest run of records that has at least the wanted number of bytes, and the last
chunk of a file what is left. A record over the limit is a chunk of its own, and ends the one before it. The rule
speaks of records only, so the borders do not depend on the sizes of the pieces in which a file was read, nor on
where a plan was resumed. A `Cutter` knows a format: `fast` may say that it does not know, and then `exact_cut` reads
the records one by one.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from millstream.core.splitting.model import Dialect
from millstream.core.splitting.skipping import skipper


class Cut(NamedTuple):
    """The next chunk: its length, how many records it has, and whether the file ends inside the last of them.

    A size of 0 says that a record follows which is too long to be held.
    """

    size: int
    records: int
    unterminated: bool = False


TOO_LONG = Cut(0, 1)


class WholeRecord(NamedTuple):
    """A record (or a blank line, which is not `filled`) and the offset of its end; `unclosed`: inside quotes."""

    filled: bool
    end: int
    unclosed: bool


class Cutter(Protocol):
    """What the planner has to know of a format."""

    def fast(self, data: bytes, *, start: int, chunk_bytes: int, final: bool) -> Cut | None:
        """The chunk that starts at `start`, or None if more bytes or a closer look are needed.

        With `final`, `data` reaches the end of the file.
        """

    def records(self, data: bytes, *, final: bool) -> Iterator[WholeRecord]:
        """All whole records of a block that starts at the start of one."""


def exact_cut(
    data: bytes, *, start: int, window_bytes: int, chunk_bytes: int, cutter: Cutter, dialect: Dialect, final: bool
) -> Cut | None:
    """The chunk that starts at `start`, or None if more bytes are needed to tell.

    Reads records up to `window_bytes`, which is more than `chunk_bytes`; the end of a record that leaves the window
    is looked for without reading its values.
    """
    window = data[start : start + window_bytes]
    final_window = final and start + window_bytes >= len(data)
    begin = records = 0
    for filled, end, unclosed in cutter.records(window, final=final_window):
        if end - begin > dialect.max_record_bytes:
            return Cut(begin, records) if begin else TOO_LONG
        records += filled
        begin = end
        if end >= chunk_bytes or end == len(window):
            return Cut(end, records, unclosed or not window.endswith((b"\n", b"\r"), 0, end))
    return _with_long_record(data, start=start, before=Cut(begin, records), dialect=dialect, final=final)


def _with_long_record(data: bytes, *, start: int, before: Cut, dialect: Dialect, final: bool) -> Cut | None:
    """The chunk of the records `before` and of the one behind them, which leaves the window."""
    begin = start + before.size
    passing = skipper(dialect)
    end = passing.feed(data, start=begin)
    size = (len(data) if end is None else end) - begin
    if size > dialect.max_record_bytes:
        return before if before.size else TOO_LONG
    if end is None and not final:
        return None
    filled = data[begin : begin + size].strip(b"\r\n") != b""
    return Cut(before.size + size, before.records + filled, end is None and not passing.ended)
