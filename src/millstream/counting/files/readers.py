"""Strides read ahead by others.

Theory of operation: a reader (a process or a thread: `processes`, `threads`) is told which stride of which file to
read, scans it, and hands it back (`serving`); it decides nothing. This side keeps every reader busy with two requests:
first what the file at hand needs next, then what the files behind it will need, as long as not too much waits here. Of
a plain file any reader may read any stride; a compressed one stays with the reader that began it, and the other readers
take the next files meanwhile. What is read when makes no difference to the count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from millstream.counting.files.part import Part
from millstream.counting.files.serving import Answer, Request
from millstream.counting.files.stride import Stride
from millstream.counting.files.striding import stride_length
from millstream.errors import ReadingError
from millstream.ports.framefile import FrameFile

REQUESTS = 2
"""Strides that a reader is asked for at once, so that it never waits for the next question."""

STRIDES_AHEAD = 6
"""Strides of the file at hand that may be asked for or wait, for each reader."""

FRAMES_AHEAD = 1 << 22
"""Frames that may wait of files whose turn has not come; 16 bytes each."""


class Crew(Protocol):
    """Some readers, numbered from 0; used by one thread."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def ask(self, reader: int, request: Request) -> None:
        """Give a reader something to do, after what it has to do already. Raises ReaderLostError."""
        ...

    def hear(self) -> Sequence[tuple[int, Answer]]:
        """What readers answered, one at least; blocks. Raises ReaderLostError when one of them is gone."""
        ...

    def close(self) -> None:
        """End them; idempotent."""
        ...


@dataclass(slots=True, eq=False)
class _Reading:
    """What was asked for and what came of one file."""

    number: int
    next_block: int
    is_seekable: bool
    owner: int | None = None
    is_asked_for_all: bool = False
    asked: int = 0
    arrived: dict[int, Stride | str] = field(default_factory=dict)


class ReadAhead:
    """Has strides read ahead. Implements Supply; used by one thread, which must close it."""

    def __init__(self, files: Sequence[FrameFile], *, crew: Crew) -> None:
        """`crew` reads the same files."""
        self._numbers = {file.path: number for number, file in enumerate(files)}
        self._readings: dict[int, _Reading] = {}
        self._waiting_frames = 0
        self._crew = crew
        self._asked = [0] * crew.size
        self._head: _Reading | None = None

    def take(self, part: Part, *, following: Sequence[Part]) -> Stride:
        """See Supply. Raises ReaderLostError when a process is gone, too."""
        reading = self._reading(part)
        self._head = reading
        after = [self._reading(other) for other in following]
        while part.block not in reading.arrived:
            self._ask([reading, *after])
            self._receive()
        stride = reading.arrived.pop(part.block)
        if isinstance(stride, str):
            raise ReadingError(stride)
        self._waiting_frames -= len(stride.times)
        if stride.is_last:
            del self._readings[reading.number]
        self._ask([reading, *after])
        return stride

    def close(self) -> None:
        """See Supply."""
        self._crew.close()

    def _reading(self, part: Part) -> _Reading:
        number = self._numbers[part.path]
        reading = self._readings.get(number)
        if reading is None:
            reading = self._readings[number] = _Reading(
                number=number, next_block=part.block, is_seekable=part.file.is_seekable
            )
        return reading

    def _ask(self, wanted: Sequence[_Reading]) -> None:
        """Give every reader that has room something to do."""
        for reader in range(self._crew.size):
            while self._asked[reader] < REQUESTS:
                reading = next((reading for reading in wanted if self._may_ask(reading, reader)), None)
                if reading is None:
                    break
                self._ask_for(reading, reader)

    def _may_ask(self, reading: _Reading, reader: int) -> bool:
        if reading.is_asked_for_all or (reading.owner is not None and reading.owner != reader):
            return False
        ahead = reading.asked + len(reading.arrived)
        if reading is self._head:
            return ahead < STRIDES_AHEAD * self._crew.size
        # The first stride of a file is a single block, and whether there are others is not known before it came.
        is_first = reading.next_block == 0 or ahead == 0
        return is_first or self._waiting_frames < FRAMES_AHEAD

    def _ask_for(self, reading: _Reading, reader: int) -> None:
        first = reading.next_block
        stays = first > 0 and not reading.is_seekable
        if stays:
            reading.owner = reader
        self._crew.ask(reader, (reading.number, first, stays))
        self._asked[reader] += 1
        reading.next_block += stride_length(first)
        reading.asked += 1
        if first == 0:
            reading.is_asked_for_all = True  # until it came

    def _receive(self) -> None:
        """Wait for what readers answer."""
        for reader, (number, first, stride) in self._crew.hear():
            self._asked[reader] -= 1
            self._arrived(number, first, stride)

    def _arrived(self, number: int, first: int, stride: Stride | str) -> None:
        reading = self._readings.get(number)
        if reading is None:  # behind the end of a file that is shorter than was thought
            return
        reading.asked -= 1
        reading.arrived[first] = stride
        if isinstance(stride, str):
            reading.is_asked_for_all = True
            return
        self._waiting_frames += len(stride.times)
        reading.is_asked_for_all = stride.is_last or (reading.is_asked_for_all and first > 0)
