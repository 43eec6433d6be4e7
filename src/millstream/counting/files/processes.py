"""Readers that are processes: for a scanner that needs the interpreter's lock.

Theory of operation: they are started afresh instead of being forked, so it does not matter which threads there are;
they are deaf to the signals of a terminal, and end when this side is gone, because that closes their pipe.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import ModuleType

from millstream.counting.files.serving import Answer, Request, serve
from millstream.counting.frames.scanner import FrameScanner
from millstream.errors import ReaderLostError
from millstream.ports.framefile import FrameFile

_STOP_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    process: SpawnProcess
    pipe: "Connection[Request, Answer]"


class ReaderProcesses:
    """Some processes that read. Implements Crew."""

    def __init__(self, files: Sequence[FrameFile], *, scanner: Callable[[], FrameScanner], count: int) -> None:
        """`scanner` makes the scanner of a process; it and the files are sent there. Starts the processes."""
        self._readers: list[_Reader] = []
        try:
            with _blocked_signals():
                for _ in range(count):
                    self._readers.append(_start(files, scanner))
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """See Crew."""
        return len(self._readers)

    @property
    def pids(self) -> list[int]:
        """The process ids of the readers."""
        return [reader.process.pid or 0 for reader in self._readers]

    def ask(self, reader: int, request: Request) -> None:
        """See Crew."""
        try:
            self._readers[reader].pipe.send(request)
        except OSError:
            raise _lost(self._readers[reader]) from None

    def hear(self) -> Sequence[tuple[int, Answer]]:
        """See Crew."""
        numbers: Mapping[object, int] = {reader.pipe: number for number, reader in enumerate(self._readers)}
        heard: list[tuple[int, Answer]] = []
        for pipe in wait([reader.pipe for reader in self._readers]):
            number = numbers[pipe]
            try:
                heard.append((number, self._readers[number].pipe.recv()))
            except (EOFError, OSError):
                raise _lost(self._readers[number]) from None
        return heard

    def close(self) -> None:
        """See Crew."""
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.pipe.close()
            reader.process.kill()  # it holds nothing
        for reader in readers:
            reader.process.join(_STOP_S)
            with contextlib.suppress(ValueError):  # it is not dead yet: the system will see to it
                reader.process.close()


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
