"""Files of frames in a file system.

Theory of operation: a plain file is read by ranges, with nothing kept between two of them, not even a descriptor. A
compressed one is a stream; what is kept of it is its decompressor and the bytes that were not taken yet. Only as many
bytes are read as the file had when it was first looked at, so a file that grows is counted as it was then, and one
that was replaced or cut is noticed.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from millstream.adapters.framefile.cutting import Cutter
from millstream.adapters.framefile.unpacking import PIECE_BYTES, DamagedError, unpacker
from millstream.errors import SourceError
from millstream.ports.framefile import BLOCK_BYTES, Block, Portion

MORE_BYTES = 64 << 10
READ_BYTES = 256 << 10
_HEAD_BYTES = 4


def look_at(path: str) -> "StoredFile":
    """Look at a file before it is read. Raises SourceError when there is none or it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise SourceError(
                    source=path, reason="expected a file, found something else", hint="pipe it into `-`, standard input"
                )
            head = file.read(_HEAD_BYTES)
    except IsADirectoryError:
        raise SourceError(
            source=path, reason="expected a file, found a folder", hint=f"name its files: {path}/*"
        ) from None
    except OSError as error:
        raise SourceError(source=path, reason=f"cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise SourceError(source=path, reason="expected the name of a file, found a NUL in it") from None
    return StoredFile(
        path,
        size_bytes=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        device=facts.st_dev,
        inode=facts.st_ino,
        is_seekable=unpacker(head, path=path) is None,
    )


class StoredFile:
    """One file, plain or compressed; made by `look_at`, and cheap to hand to another process."""

    def __init__(
        self, path: str, *, size_bytes: int, mtime_ns: int, device: int, inode: int, is_seekable: bool
    ) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.mtime_ns = mtime_ns
        self.identity: tuple[int, int] | None = (device, inode)
        self.is_seekable = is_seekable
        self._stream: _Stream | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_stream": None}

    def is_at(self, path: Path) -> bool:
        """Whether it is the file at `path`, under whatever name."""
        facts = path.stat()
        return (facts.st_dev, facts.st_ino) == self.identity

    def read(self, first: int, *, count: int) -> Portion:
        """See FrameFile."""
        try:
            return self._read_range(first, count) if self.is_seekable else self._read_stream(first, count)
        except OSError as error:
            raise SourceError(source=self.path, reason=f"cannot be read: {error.strerror}") from None

    def close(self) -> None:
        """See FrameFile."""
        self._stream = None

    def _read_range(self, first: int, count: int) -> Portion:
        if first * BLOCK_BYTES >= self.size_bytes:
            return Portion(blocks=[], is_last=True, damage=None, read_bytes=self.size_bytes)
        end = min((first + count) * BLOCK_BYTES, self.size_bytes)
        cutter = Cutter(first=first)
        blocks: list[Block] = []
        at = max(first * BLOCK_BYTES - 1, 0)
        with Path(self.path).open("rb", buffering=0) as file:
            self._check(file.fileno())
            wanted = max(end - at, 0)
            while len(blocks) < count and not cutter.is_exhausted:
                data = os.pread(file.fileno(), min(wanted, self.size_bytes - at), at)
                at += len(data)
                cutter.feed(data) if data else cutter.finish()
                if at == self.size_bytes:
                    cutter.finish()
                while len(blocks) < count and not cutter.is_exhausted and (block := cutter.cut()):
                    blocks.append(block)
                wanted = max(end - at, MORE_BYTES)
        return Portion(
            blocks=blocks, is_last=end == self.size_bytes or cutter.is_exhausted, damage=None, read_bytes=end
        )

    def _read_stream(self, first: int, count: int) -> Portion:
        if self._stream is None or self._stream.cutter.number > first:
            self._stream = _Stream(self)
        stream = self._stream
        while stream.cutter.number < first and stream.next() is not None:
            pass
        blocks: list[Block] = []
        while len(blocks) < count and (block := stream.next()) is not None:
            blocks.append(block)
        is_last = stream.is_over
        portion = Portion(
            blocks=blocks,
            is_last=is_last,
            damage=stream.damage if is_last else None,
            read_bytes=self.size_bytes if is_last else stream.read_bytes,
        )
        if is_last:
            self.close()
        return portion

    def _check(self, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        is_same = (facts.st_dev, facts.st_ino) == self.identity
        if not is_same or facts.st_size < self.size_bytes:
            raise SourceError(
                source=self.path,
                reason=f"expected {self.size_bytes} bytes as when counting began, found {facts.st_size} of "
                + ("the same file" if is_same else "another file"),
                hint="count again when nobody replaces or cuts it",
            )

    def pieces(self) -> Iterator[bytes]:
        """The stored bytes in small pieces; no descriptor is held between two reads."""
        at = 0
        while at < self.size_bytes:
            with Path(self.path).open("rb", buffering=0) as file:
                self._check(file.fileno())
                data = os.pread(file.fileno(), min(READ_BYTES, self.size_bytes - at), at)
            if not data:
                return
            at += len(data)
            for start in range(0, len(data), PIECE_BYTES):
                yield data[start : start + PIECE_BYTES]


class _Stream:
    """A compressed file while it is read."""

    def __init__(self, file: StoredFile) -> None:
        self.cutter = Cutter()
        self.damage: str | None = None
        self.read_bytes = 0
        pieces = self._counted(file.pieces())
        first = next(pieces, b"")
        unpack = unpacker(first, path=file.path)
        if unpack is None:
            raise SourceError(source=file.path, reason="expected compressed data as when counting began, found none")
        self._data = unpack(_behind(first, pieces))

    @property
    def is_over(self) -> bool:
        """Whether nothing follows the blocks that were taken; reads on as far as is needed to know."""
        while self.cutter.is_empty and self._feed():
            pass
        return self.cutter.is_exhausted

    def next(self) -> Block | None:
        """The next block, None at the end."""
        while not self.is_over:
            block = self.cutter.cut()
            if block is not None:
                return block
            self._feed()
        return None

    def _feed(self) -> bool:
        """Decompress until the stretch of the current block has come; False at the end."""
        data: list[bytes] = []
        wanted = max(self.cutter.wanted_bytes, MORE_BYTES)
        try:
            while wanted > 0:
                data.append(next(self._data))
                wanted -= len(data[-1])
        except StopIteration:
            pass
        except DamagedError as error:
            self.damage = str(error)
        if data:
            self.cutter.feed(b"".join(data))
        if wanted > 0:
            self.cutter.finish()
        return wanted <= 0

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.read_bytes += len(piece)
            yield piece


def _behind(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
