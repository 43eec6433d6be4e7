r"""Records that are lines: JSONL and plain text.

Theory of operation: a line ends with `\n` and nothing else, whatever stands in it, so a border is found from anywhere
without knowing what comes before, and lines are counted by counting bytes. A `\r` before the `\n` belongs to the
line end. In JSONL a line of nothing but `\r` is blank, and no record.

`owned_lines` needs no plan at all: the lines that *start* in [a, b) belong to that range, so ranges that cover the
file hold every line once, and each can be read by a worker that knows no other (Hadoop's rule for text input). What
it cannot give are the numbers of the records, which need the counts of all ranges before.
"""

from collections.abc import Iterable, Iterator

from millstream.core.splitting.cuts import Cut, WholeRecord
from millstream.core.splitting.model import Dialect, Format


class LineCutter:
    """Cuts at newlines."""

    def __init__(self, dialect: Dialect) -> None:
        self._blank_counts = dialect.format is Format.LINES
        self._max_record_bytes = dialect.max_record_bytes

    def fast(self, data: bytes, *, start: int, chunk_bytes: int, final: bool) -> Cut | None:
        """The chunk at `start`; None also if it could hold a record that is too long."""
        end = data.find(b"\n", start + chunk_bytes - 1) + 1
        if not end and not final:
            return None
        chunk = data[start : end or len(data)]
        if len(chunk) > self._max_record_bytes:
            return None
        records = chunk.count(b"\n") + (not chunk.endswith(b"\n")) if self._blank_counts else filled_lines(chunk)
        return Cut(len(chunk), records, not chunk.endswith(b"\n"))

    def records(self, data: bytes, *, final: bool) -> Iterator[WholeRecord]:
        """The lines one by one."""
        begin = 0
        while end := data.find(b"\n", begin) + 1:
            yield WholeRecord(self._blank_counts or not is_blank(data[begin:end]), end, unclosed=False)
            begin = end
        if final and begin < len(data):
            filled = self._blank_counts or not is_blank(data[begin:])
            yield WholeRecord(filled, len(data), unclosed=True)  # a lone `\r` does not end it


def is_blank(line: bytes) -> bool:
    """Whether there is nothing but the line end."""
    return not line.strip(b"\r\n")


def filled_lines(data: bytes) -> int:
    r"""How many lines are not blank; a last one without `\n` counts."""
    if b"\r" in data:
        data = data.replace(b"\r", b"")
    return filled_plain_lines(data)


def filled_plain_lines(data: bytes) -> int:
    r"""How many lines are not blank, where no `\r` matters; a last one without `\n` counts."""
    while b"\n\n" in data:  # each round halves the longest run of newlines
        data = data.replace(b"\n\n", b"\n")
    if not data:
        return 0
    return data.count(b"\n") - data.startswith(b"\n") + (not data.endswith(b"\n"))


def owned_lines(pieces: Iterable[bytes], *, start: int, end: int) -> Iterator[bytes]:
    r"""The bytes of the lines that start in [start, end), in pieces that need not end where lines do.

    `pieces` are the bytes of the file from `max(start - 1, 0)` on (one earlier, because a `\n` just before `start` is
    what makes a line start there); no piece is taken beyond the one with the last line's end.
    """
    if start >= end:
        return
    offset = max(start - 1, 0)
    inside = start == 0
    for piece in pieces:
        begin = 0
        if not inside and (begin := piece.find(b"\n") + 1):
            if offset + begin >= end:
                return
            inside = True
        if inside and begin < len(piece):
            stop = piece.find(b"\n", max(end - 1 - offset, begin)) + 1
            yield piece[begin : stop or len(piece)]
            if stop:
                return
        offset += len(piece)
