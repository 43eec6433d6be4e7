r"""Find the end of a record that is too long to be held.

Theory of operation: the states of `csv.reader` without its values. `find` jumps to the next byte that matters, so
the usual case, a quote that is never closed, is passed over as fast as memory is read. The end of a record can be
known one byte late: after `\r` a `\n` still belongs to it.
"""

import re
from enum import Enum, auto
from typing import Protocol

from millstream.core.splitting.model import Dialect, Format


class Skipper(Protocol):
    """Is fed the bytes of one record from its start, in pieces of any size."""

    @property
    def ended(self) -> bool:
        """Whether the record has its line end already, if nothing follows."""

    def feed(self, piece: bytes, *, start: int = 0) -> int | None:
        """Where the record ends in the piece, read from `start` on; None if it goes on, or could."""


def skipper(dialect: Dialect) -> Skipper:
    """A new one for one record of that dialect."""
    return _CsvSkipper(dialect) if dialect.format is Format.CSV else _LineSkipper()


class _LineSkipper:
    ended = False

    def feed(self, piece: bytes, *, start: int = 0) -> int | None:
        return piece.find(b"\n", start) + 1 or None


class _State(Enum):
    FIELD_START = auto()
    IN_FIELD = auto()
    IN_QUOTES = auto()
    AFTER_QUOTE = auto()
    AFTER_RETURN = auto()
    OVER = auto()


class _CsvSkipper:
    def __init__(self, dialect: Dialect) -> None:
        self._state = _State.FIELD_START
        self._delimiter = dialect.delimiter.encode()
        self._quote = b"" if dialect.quote is None else dialect.quote.encode()
        self._mark = re.compile(b"[\r\n" + re.escape(self._delimiter) + b"]")

    @property
    def ended(self) -> bool:
        return self._state is _State.AFTER_RETURN

    def feed(self, piece: bytes, *, start: int = 0) -> int | None:
        at = start
        while at < len(piece):
            if self._state is _State.AFTER_RETURN:
                return at + piece.startswith(b"\n", at)
            at = self._step(piece, at)
            if self._state is _State.OVER:
                return at
        return None

    def _step(self, piece: bytes, at: int) -> int:
        """Take at least one byte; the offset after what was taken."""
        if self._state is _State.IN_QUOTES:
            found = piece.find(self._quote, at)
            if found < 0:
                return len(piece)
            self._state = _State.AFTER_QUOTE
            return found + 1
        if self._state is _State.IN_FIELD:
            mark = self._mark.search(piece, at)
            if mark is None:
                return len(piece)
            at = mark.start()
        self._state = self._after(piece[at : at + 1])
        return at + 1

    def _after(self, byte: bytes) -> _State:
        """The state after one byte that was met at the start of a field, in one, or after a quote in quotes."""
        if byte == self._quote and self._state is not _State.IN_FIELD:
            return _State.IN_QUOTES
        if byte == self._delimiter:
            return _State.FIELD_START
        if byte == b"\n":
            return _State.OVER
        return _State.AFTER_RETURN if byte == b"\r" else _State.IN_FIELD
