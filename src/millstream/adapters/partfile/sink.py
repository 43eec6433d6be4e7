"""What workers write records to when they go to a folder.

Theory of operation: an attempt writes a file that nobody else writes or reads, syncs it and its name, and notes length
and checksum in its receipt. Nothing of it is to be seen until the ledger has that receipt, and the joiner of the
serving process has appended the part to the file of the ingestion. A zombie may finish its part: the ledger refuses
its result, so its receipt is never known, and the part is removed with the others in the end. Mostly it notices by
itself, because a successor removes the parts of older claims.
"""

import contextlib
import os
import zlib
from pathlib import Path

from millstream.adapters.partfile.parts import PARTS, Receipt, make_folder, part_name, parts_of, sync_folder
from millstream.errors import FencedError, SinkUnavailableError
from millstream.ports.sink import Publication, Published

_HINT = "make room, or mend its permissions"


class PartFolder:
    """A folder as a sink: records appear, in order and exactly once, when the joiner has been there.

    Implements ports.Sink. Made before fork or after, used by any number of threads and processes at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def open(self, publication: Publication) -> "PartWriter":
        """Begin a part; the folder is made if it is missing."""
        parts = parts_of(self._folder, message_id=publication.message_id)
        try:
            make_folder(parts)
            if publication.attempt > 1:
                _remove_older(parts, publication)
            return PartWriter(parts / part_name(publication.seq, fence=publication.fence), address=self.address)
        except OSError as error:
            raise _unavailable(self.address, error) from None

    def check(self) -> None:
        """Raise SinkUnavailableError unless a file can be made in the folder just now."""
        trial = self._folder / PARTS / f".trial.{os.getpid()}"
        try:
            make_folder(trial.parent)
            trial.write_bytes(b"\n")
            trial.unlink()
        except OSError as error:
            raise _unavailable(self.address, error) from None

    def close(self) -> None:
        """Nothing is kept open."""


class PartWriter:
    """Writes one part. Implements ports.ChunkWriter.

    Raises SinkUnavailableError for a full disk and the like, after which nothing is left of the part.
    """

    def __init__(self, path: Path, *, address: str) -> None:
        self._path = path
        self._address = address
        self._size_bytes = 0
        self._crc32 = 0
        path.unlink(missing_ok=True)
        self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def write(self, lines: bytes, *, numbers: range | list[int]) -> None:  # noqa: ARG002 - the lines say their ids
        """See ChunkWriter; what is written goes to the disk at its own pace."""
        try:
            self._write(lines)
        except OSError as error:
            self.abort()
            raise _unavailable(self._address, error) from None

    def commit(self) -> Published:
        """See ChunkWriter; raises FencedError when a successor removed this part."""
        assert self._fd is not None, "a part is committed once"  # noqa: S101 - the caller's contract
        try:
            os.fsync(self._fd)
            is_removed = os.fstat(self._fd).st_nlink == 0
            os.close(self._fd)
            self._fd = None
            sync_folder(self._path.parent)
        except OSError as error:
            self.abort()
            raise _unavailable(self._address, error) from None
        if is_removed:
            raise FencedError(reason=f"another attempt removed {self._path.name}")
        receipt = Receipt(part=self._path.name, size_bytes=self._size_bytes, crc32=self._crc32)
        return Published(receipt=str(receipt), out_bytes=self._size_bytes)

    def abort(self) -> None:
        """See ChunkWriter; the part is removed."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):  # it is given up either way
                os.close(fd)
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _write(self, lines: bytes) -> None:
        assert self._fd is not None, "nothing is written after the end"  # noqa: S101 - the caller's contract
        self._crc32 = zlib.crc32(lines, self._crc32)
        self._size_bytes += len(lines)
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._fd, rest) :]


def _remove_older(parts: Path, publication: Publication) -> None:
    """Remove what earlier claims of the chunk left."""
    prefix = f"{publication.seq:06d}."
    for name in os.listdir(parts):  # noqa: PTH208 - names are enough
        fence = name.removeprefix(prefix)
        if name.startswith(prefix) and fence.isdecimal() and int(fence) < publication.fence:
            (parts / name).unlink(missing_ok=True)


def _unavailable(address: str, error: OSError) -> SinkUnavailableError:
    return SinkUnavailableError(address=address, reason=error.strerror or str(error), hint=_HINT)
