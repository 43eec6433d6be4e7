"""Standard input as a file of frames whose end is not known yet.

Theory of operation: standard input is shared with the shell, so it is never made non-blocking; poll tells when a read
will not wait. Blocks are those of a file with the same bytes. When a block takes long to fill, those of its lines that
have come are handed out, so that a count goes on while its input trickles or rests.
"""

import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass

from millstream.adapters.framefile.cutting import Cutter
from millstream.errors import SourceError
from millstream.ports.framefile import Block

READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What came: lines of block `number`, its last ones with `ends_block`.

    `is_quiet` says that no byte has come meanwhile, `is_last` that none will ever come.
    """

    number: int
    block: Block
    ends_block: bool = False
    is_quiet: bool = False
    is_last: bool = False


class FramePipe:
    """Reads frames from a descriptor, which stays open and keeps its flags.

    `wake` is a descriptor that becomes readable when somebody wants `next` to return; it is not read here.
    """

    path = "-"

    def __init__(self, descriptor: int = 0, *, wake: int | None = None) -> None:
        self._descriptor = descriptor
        self._wake = wake
        self._cutter = Cutter()

    def next(self, *, quiet_s: float) -> Piece:
        """The rest of the current block as soon as it has come, or what there is of it after `quiet_s`.

        Blocks. Raises SourceError when standard input cannot be read.
        """
        try:
            return self._next(time.monotonic() + quiet_s)
        except OSError as error:
            raise SourceError(source="standard input", reason=f"cannot be read: {error.strerror}") from None

    def _next(self, deadline: float) -> Piece:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if self._wake is not None:
            poll.register(self._wake, select.POLLIN)
        is_quiet = True
        while True:
            number = self._cutter.number
            if self._cutter.is_exhausted:
                return Piece(number=number, block=self._cutter.lines_so_far(), is_last=True)
            block = self._cutter.cut()
            if block is not None:
                return Piece(number=number, block=block, ends_block=True)
            wait_s = max(deadline - time.monotonic(), 0.0)
            ready = dict(poll.poll(wait_s * 1_000)) if wait_s or is_quiet else {}
            if not ready or self._wake in ready:
                return Piece(number=number, block=self._cutter.lines_so_far(), is_quiet=is_quiet)
            is_quiet = False
            self._read()

    def _read(self) -> None:
        # Somebody else may have made the descriptor non-blocking, and taken the bytes.
        with suppress(BlockingIOError):
            data = os.read(self._descriptor, READ_BYTES)
            if data:
                self._cutter.feed(data)
            else:
                self._cutter.finish()
