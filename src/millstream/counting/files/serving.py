"""What a reader does, and the life of a process that is one.

Theory of operation: it imports no more than reading and scanning need, so it starts soon. It remembers nothing but the
compressed files that it is in the middle of.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from millstream.counting.files.stride import Stride, read_stride
from millstream.counting.frames.scanner import FrameScanner
from millstream.errors import MillstreamError
from millstream.ports.framefile import FrameFile

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Request: TypeAlias = tuple[int, int, bool]
"""The number of a file, the block at which a stride of it begins, and whether more of the file will be asked for."""

Answer: TypeAlias = tuple[int, int, Stride | str]
"""The number of the file, the block, and the stride, or why it cannot be read."""


def serve(
    pipe: "Connection[Answer, Request]", files: Sequence[FrameFile], make_scanner: Callable[[], FrameScanner]
) -> None:
    """Answer requests until the other side is gone."""
    scanner = make_scanner()
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(answer(files, scanner, pipe.recv()))


def answer(files: Sequence[FrameFile], scanner: FrameScanner, request: Request) -> Answer:
    """Read and scan what is asked for."""
    number, first, goes_on = request
    try:
        stride: Stride | str = read_stride(files[number], scanner, first=first)
    except MillstreamError as error:
        stride = str(error)
    if not goes_on:
        files[number].close()
    return number, first, stride
