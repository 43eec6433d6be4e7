"""Strides read ahead by other processes.

Theory of operation: a reader is told which stride of which file to read, scans it, and sends it back (`serving`); it
decides nothing. This side keeps every reader busy with two requests: first what the file at hand needs next, then what
the files behind it will need, as long as not too much waits here. Of a plain file any reader may read any stride; a
compressed one stays with the reader that began it, and the other readers take the next files meanwhile. What is read
when makes no difference to the count.

Readers are started afresh instead of being forked, so it does not matter which threads there are; they are deaf to
the signals of a terminal, and end when this side is gone, because that closes their pipe.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType

from millstream.counting.files.part import Part
from millstream.counting.files.serving import Answer, Request, serve
from millstream.counting.files.stride import Stride, stride_length
from millstream.counting.frames.scanner import FrameScanner
from millstream.errors import ReaderLostError, ReadingError
from millstream.ports.framefile import FrameFile

REQUESTS = 2
"""Strides that a reader is asked for at once, so that it never waits for the next question."""

STRIDES_AHEAD = 6
"""Strides of the file at hand that may be asked for or wait, for each reader."""

FRAMES_AHEAD = 1 << 22
"""Frames that may wait of files whose turn has not come; 16 bytes each."""

_STOP_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True, eq=False)
class _Reader:
    process: SpawnProcess
    pipe: "Connection[Request, Answer]"
    asked: int = 0


@dataclass(slots=True, eq=False)
class _Reading:
    """What was asked for and what came of one file."""

    number: int
    next_block: int
    is_seekable: bool
    owner: _Reader | None = None
    is_asked_for_all: bool = False
    asked: int = 0
    arrived: dict[int, Stride | str] = field(default_factory=dict)


class ReadAhead:
    """Some processes that read ahead. Implements Supply; used by one thread, which must close it."""

    def __init__(self, files: Sequence[FrameFile], *, scanner: Callable[[], FrameScanner], processes: int) -> None:
        """`scanner` makes the scanner of a process; it and the files are sent there. Starts the processes."""
        self._numbers = {file.path: number for number, file in enumerate(files)}
        self._readings: dict[int, _Reading] = {}
        self._waiting_frames = 0
        self._readers: list[_Reader] = []
        self._head: _Reading | None = None
        try:
            with _blocked_signals():
                for _ in range(processes):
                    self._readers.append(_start(files, scanner))
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The process ids of the readers."""
        return [reader.process.pid or 0 for reader in self._readers]

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
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.pipe.close()
            reader.process.kill()  # it holds nothing
        for reader in readers:
            reader.process.join(_STOP_S)
            with contextlib.suppress(ValueError):  # it is not dead yet: the system will see to it
                reader.process.close()

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
        for reader in self._readers:
            while reader.asked < REQUESTS:
                reading = next((reading for reading in wanted if self._may_ask(reading, reader)), None)
                if reading is None:
                    break
                self._ask_for(reading, reader)

    def _may_ask(self, reading: _Reading, reader: _Reader) -> bool:
        if reading.is_asked_for_all or (reading.owner is not None and reading.owner is not reader):
            return False
        ahead = reading.asked + len(reading.arrived)
        if reading is self._head:
            return ahead < STRIDES_AHEAD * len(self._readers)
        # The first stride of a file is a single block, and whether there are others is not known before it came.
        is_first = reading.next_block == 0 or ahead == 0
        return is_first or self._waiting_frames < FRAMES_AHEAD

    def _ask_for(self, reading: _Reading, reader: _Reader) -> None:
        first = reading.next_block
        stays = first > 0 and not reading.is_seekable
        if stays:
            reading.owner = reader
        self._send(reader, (reading.number, first, stays))
        reading.next_block += stride_length(first)
        reading.asked += 1
        if first == 0:
            reading.is_asked_for_all = True  # until it came

    def _send(self, reader: _Reader, request: Request) -> None:
        try:
            reader.pipe.send(request)
        except OSError:
            raise _lost(reader) from None
        reader.asked += 1

    def _receive(self) -> None:
        """Wait for what readers send."""
        pipes: Mapping[object, _Reader] = {reader.pipe: reader for reader in self._readers}
        for pipe in wait([reader.pipe for reader in self._readers]):
            reader = pipes[pipe]
            try:
                number, first, stride = reader.pipe.recv()
            except (EOFError, OSError):
                raise _lost(reader) from None
            reader.asked -= 1
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


def _start(files: Sequence[FrameFile], scanner: Callable[[], FrameScanner]) -> _Reader:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, files, scanner), name="millstream-reader", daemon=True)
    with _no_main():
        process.start()
    theirs.close()
    return _Reader(process=process, pipe=ours)


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Keep a spawned process from importing the main program again, which it has no use for."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _lost(reader: _Reader) -> ReaderLostError:
    reader.process.join(_STOP_S)
    code = reader.process.exitcode
    ended = (
        "ended" if code is None else f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    )
    return ReaderLostError(pid=reader.process.pid or 0, ended=ended)


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    """Processes that are started inside are deaf to them for ever; this one gets them afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
