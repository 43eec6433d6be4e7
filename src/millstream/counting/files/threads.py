"""Readers that are threads: for a scanner that does without the interpreter's lock.

Theory of operation: each has a scanner of its own, and its own copies of the files, so nothing is shared but the
strides that are done. Nothing travels either, and nothing has to start: threads pay from the first megabytes on.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from functools import partial
from queue import SimpleQueue

from millstream.counting.files.serving import Answer, Request, answer
from millstream.counting.frames.scanner import FrameScanner
from millstream.ports.framefile import FrameFile


class ReaderThreads:
    """Some threads that read. Implements Crew."""

    def __init__(self, files: Sequence[FrameFile], *, scanner: Callable[[], FrameScanner], count: int) -> None:
        """`scanner` makes the scanner of a thread. A copy of a file must share nothing that reading changes."""
        self._work = [partial(answer, [copy(file) for file in files], scanner()) for _ in range(count)]
        self._threads = [ThreadPoolExecutor(1, "millstream-reader") for _ in range(count)]
        self._done: SimpleQueue[tuple[int, Future[Answer]]] = SimpleQueue()

    @property
    def size(self) -> int:
        """See Crew."""
        return len(self._threads)

    def ask(self, reader: int, request: Request) -> None:
        """See Crew; no thread is ever lost."""
        future = self._threads[reader].submit(self._work[reader], request)
        future.add_done_callback(lambda done: self._done.put((reader, done)))

    def hear(self) -> Sequence[tuple[int, Answer]]:
        """See Crew; what went wrong in a thread goes on here."""
        reader, done = self._done.get()
        return [(reader, done.result())]

    def close(self) -> None:
        """See Crew; waits for what they are doing, which is a stride each."""
        for thread in self._threads:
            thread.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            thread.shutdown()
