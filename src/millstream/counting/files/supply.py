"""Strides read in this process, when they are asked for."""

from collections.abc import Sequence

from millstream.counting.files.part import Part
from millstream.counting.files.stride import Stride, read_stride
from millstream.counting.frames.scanner import FrameScanner


class OwnSupply:
    """Reads and scans in the caller's process. Implements Supply."""

    def __init__(self, scanner: FrameScanner) -> None:
        self._scanner = scanner

    def take(self, part: Part, *, following: Sequence[Part]) -> Stride:
        """See Supply."""
        stride = read_stride(part.file, self._scanner, first=part.block)
        if stride.first == 0 and following:
            part.file.close()  # it may be long until its turn comes
        return stride

    def close(self) -> None:
        """See Supply."""
