"""Where results and dead letters of a count of files go.

Theory of operation: what was put out up to a checkpoint has a length, and going on from the checkpoint cuts the file to
that length: what a crash left behind it, a torn line included, is put out again from the start. Standard output cannot
be cut, so there a crash may repeat records since the last checkpoint; their keys and revisions tell them apart.
"""

import json
import os
import stat
import sys
from base64 import b64encode
from pathlib import Path
from typing import BinaryIO, Protocol

from millstream.counting.model import Reason
from millstream.errors import OutputError


class LineSink(Protocol):
    """Takes lines to be kept."""

    @property
    def length(self) -> int:
        """Bytes written so far."""
        ...

    def write(self, data: bytes) -> None:
        """Add whole lines."""
        ...

    def flush(self) -> None:
        """Hand what was written to the operating system, so that readers see it."""
        ...

    def sync(self) -> int:
        """Make everything durable; returns the length."""
        ...

    def close(self) -> None:
        """Flush and let go of it; idempotent."""
        ...


class FileSink:
    """A file of lines, made by the first of them; goes on behind the first `length` bytes of what is there.

    With `length` 0 a file that is there is replaced, at once. Raises OutputError when the file cannot be written or
    is shorter than `length`.
    """

    def __init__(self, path: Path, *, length: int = 0, is_lazy: bool = False) -> None:
        self._path = path
        self._length = length
        self._file: BinaryIO | None = None
        try:
            if length:
                self._go_on()
            elif not is_lazy:
                self._open()
            elif path.is_file():
                path.unlink()
        except OSError as error:
            raise self._failure(error) from None

    @property
    def length(self) -> int:
        """See LineSink."""
        return self._length

    def write(self, data: bytes) -> None:
        """See LineSink."""
        try:
            (self._file or self._open()).write(data)
        except OSError as error:
            raise self._failure(error) from None
        self._length += len(data)

    def flush(self) -> None:
        """See LineSink."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise self._failure(error) from None

    def sync(self) -> int:
        """See LineSink."""
        self.flush()
        if self._file is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._failure(error) from None
        return self._length

    def close(self) -> None:
        """See LineSink."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._failure(error) from None

    def _open(self) -> BinaryIO:
        self._file = self._path.open("wb")
        return self._file

    def _go_on(self) -> None:
        self._file = self._path.open("r+b")
        found = self._file.seek(0, os.SEEK_END)
        if found < self._length:
            raise OutputError(
                path=str(self._path),
                reason=f"expected at least the {self._length} bytes that were put out before, found {found}",
                hint="restore it, or count afresh with another --state",
            )
        self._file.seek(self._length)
        self._file.truncate()

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(path=str(self._path), reason=f"cannot be written: {error.strerror}")


class StandardOutput:
    """Standard output as a sink."""

    def __init__(self) -> None:
        self._length = 0

    @property
    def length(self) -> int:
        """See LineSink."""
        return self._length

    def write(self, data: bytes) -> None:
        """See LineSink."""
        sys.stdout.buffer.write(data)
        self._length += len(data)

    def flush(self) -> None:
        """See LineSink."""
        sys.stdout.buffer.flush()

    def sync(self) -> int:
        """See LineSink."""
        self.flush()
        return self._length

    def close(self) -> None:
        """See LineSink."""
        self.flush()


class Letters:
    """Copies of frames that were not counted, one JSON object per line; None as `sink` keeps none."""

    def __init__(self, sink: LineSink | None) -> None:
        self._sink = sink

    @property
    def are_kept(self) -> bool:
        """Whether copies are kept at all."""
        return self._sink is not None

    def write(self, *, reason: Reason, detail: str, source: str, line: int, byte: int, raw: bytes) -> None:
        """Keep a copy of the line `line` (from 1) of `source`, which starts at byte `byte`."""
        if self._sink is None:
            return
        letter: dict[str, object] = {
            "reason": str(reason),
            "detail": detail,
            "source": source,
            "line": line,
            "byte": byte,
        }
        try:
            letter["raw"] = raw.decode("utf-8")
        except UnicodeDecodeError:
            letter["base64"] = b64encode(raw).decode("ascii")
        text = json.dumps(letter, ensure_ascii=False, separators=(",", ":"))
        self._sink.write(text.encode("utf-8", "backslashreplace") + b"\n")
