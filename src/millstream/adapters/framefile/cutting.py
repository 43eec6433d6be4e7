"""Cuts bytes into blocks of whole lines.

Theory of operation: bytes are fed in, blocks are taken out, no I/O is done here. `_held[_from:]` always begins at the
start of a line, which is byte `_at` of the input; a block ends after the first newline at or behind the last byte of
its stretch. A line too long to be held is cut short, and what remains of it is skipped up to its newline, like the
line in whose middle a reader begins.
"""

from millstream.ports.framefile import BLOCK_BYTES, LONGEST_LINE_BYTES, Block

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Cutter:
    """Cuts an input into its blocks, from block `first` on.

    For `first` above 0 the bytes to feed begin with the one before the block's stretch.
    """

    def __init__(self, *, first: int = 0, longest_line_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._number = first
        self._at = max(first * BLOCK_BYTES - 1, 0)
        self._skipping = first > 0
        self._longest = longest_line_bytes
        self._held = b""
        self._from = 0
        self._searched = 0
        self._ended = False

    @property
    def number(self) -> int:
        """The block that `cut` returns next."""
        return self._number

    @property
    def wanted_bytes(self) -> int:
        """How many bytes must be fed before the stretch of the current block has come."""
        return max((self._number + 1) * BLOCK_BYTES - self._at - (len(self._held) - self._from), 0)

    @property
    def is_empty(self) -> bool:
        """Whether all that was fed is taken."""
        return self._from >= len(self._held)

    @property
    def is_exhausted(self) -> bool:
        """Whether the input ended and all its lines were taken."""
        return self._ended and self.is_empty

    def feed(self, data: bytes) -> None:
        """The next bytes of the input."""
        if self._skipping:
            newline = data.find(b"\n")
            self._at += len(data) if newline < 0 else newline + 1
            self._skipping = newline < 0
            self._held, self._from, self._searched = data, len(data) if newline < 0 else newline + 1, 0
            return
        self._searched = max(self._searched - self._from, 0)
        self._held = self._held[self._from :] + data if self._from < len(self._held) else data
        self._from = 0
        if self._at == 0 and self._number == 0:
            self._drop_mark()

    def finish(self) -> None:
        """There are no more bytes."""
        self._ended = True

    def cut(self) -> Block | None:
        """The rest of the current block, which is over then; None while its last line may go on."""
        limit = (self._number + 1) * BLOCK_BYTES
        if self._skipping or self._at >= limit:
            if self._at >= limit or self._ended:
                return self._leave(self._from)
            return None
        newline = self._held.find(b"\n", max(self._from + limit - 1 - self._at, self._searched))
        if newline >= 0:
            return self._leave(newline + 1)
        if self._ended:
            return self._leave(len(self._held))
        self._searched = max(len(self._held), self._searched)
        return self._cut_short()

    def lines_so_far(self) -> Block:
        """Those lines of the current block that are whole already; they are not part of what `cut` returns then."""
        limit = (self._number + 1) * BLOCK_BYTES
        newline = self._held.find(b"\n", self._from + limit - 1 - self._at) if not self._skipping else -1
        if newline < 0:  # the stretch has not all come, or its last line has not
            newline = self._held.rfind(b"\n", self._from)
        return self._take(max(newline + 1, self._from))

    def _leave(self, end: int) -> Block:
        self._number += 1
        return self._take(end)

    def _take(self, end: int) -> Block:
        block = Block(start=self._at, data=self._held[self._from : end])
        self._at += end - self._from
        self._from = end
        return block

    def _cut_short(self) -> Block | None:
        """The block when its last line is too long already."""
        if len(self._held) - self._from <= self._longest:
            return None
        line = max(self._held.rfind(b"\n", self._from) + 1, self._from)
        if len(self._held) - line <= self._longest:
            return None
        block = Block(start=self._at, data=self._held[self._from : line + self._longest + 1])
        self._at += len(self._held) - self._from
        self._held, self._from, self._searched = b"", 0, 0
        self._skipping = True
        self._number += 1
        return block

    def _drop_mark(self) -> None:
        if self._held.startswith(BYTE_ORDER_MARK):
            self._from = self._at = len(BYTE_ORDER_MARK)
