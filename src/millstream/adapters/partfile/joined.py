"""The files of ingestions in a folder: parts are appended in order, and a file that is whole gets its name.

Theory of operation: the file grows as `MESSAGE_ID.jsonl.part`, and the ledger knows how much of it counts. Whatever is
behind that length, left by a crash in the middle, is cut off before anything is appended; since a part is deleted only
after the ledger knows of it, what was cut off is appended again. Bytes go from file to file inside of the kernel; they
are read only for their checksum. One process at a time may do this in a folder: it holds a lock in there, which ends
with it.
"""

import contextlib
import errno
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from millstream.adapters.partfile.folderlock import lock_or_owner
from millstream.adapters.partfile.parts import PARTS, Receipt, checked, make_folder, parts_of, sync_folder
from millstream.errors import InvalidValueError, OutputDamagedError, PartDamagedError, SinkUnavailableError

SUFFIX = ".jsonl"
GROWING = ".jsonl.part"
_LOCK = "lock"
_NOT_THERE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF})
"""What `copy_file_range` says where it cannot be used, by file system and version of the kernel."""
_PIECE_BYTES = 1 << 20
_CHECKED_BYTES = 256 << 10
"""So much stays in the caches of a processor."""


class JoinedFolder:
    """Joins the parts of one folder; holds its lock from construction to `close`. Implements joining's OutputFolder.

    With `name` a file that is whole is called that, else `MESSAGE_ID.jsonl`. Raises SinkUnavailableError when another
    process has the lock, OSError for what the disk says, OutputDamagedError when what should be there is not. Blocks;
    used by one thread at a time.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        self._folder = folder
        self._name = name
        make_folder(folder / PARTS)
        self._lock: int | None = _locked(folder / PARTS / _LOCK, address=str(folder))

    def append(self, message_id: str, *, receipts: Sequence[str], at: int) -> tuple[int, int]:
        """Put parts behind byte `at` of the file, durably; returns how many of them and the file's new length.

        At a part that is damaged it stops, and raises PartDamagedError if that is the first one.
        """
        growing = self._reopened(message_id, size_bytes=at)
        is_new = not growing.exists()
        with _opened(growing, os.O_RDWR | os.O_CREAT) as target:
            _cut(target, at, path=growing)
            count, end = self._append(target, message_id, receipts, at)
            os.fsync(target)
        if is_new:
            sync_folder(self._folder)
        return count, end

    def forget(self, message_id: str, *, receipts: Iterable[str]) -> None:
        """Delete parts that were appended."""
        parts = parts_of(self._folder, message_id=message_id)
        for receipt in receipts:
            (parts / Receipt.parse(receipt).part).unlink(missing_ok=True)

    def reopen(self, message_id: str, *, size_bytes: int) -> None:
        """Take its name from a file that is to grow again; does nothing if it has none."""
        self._reopened(message_id, size_bytes=size_bytes)

    def finish(self, message_id: str, *, size_bytes: int) -> None:
        """Give a file that is whole its name, at once and durably, and remove what is left of its parts; idempotent."""
        growing, final = self._growing(message_id), self._final(message_id)
        if growing.exists() or (size_bytes == 0 and not final.exists()):
            with _opened(growing, os.O_RDWR | os.O_CREAT) as target:
                _cut(target, size_bytes, path=growing)
                os.fsync(target)
            growing.replace(final)
            sync_folder(self._folder)
        elif _size(final) != size_bytes:
            raise OutputDamagedError(path=str(final), expected=f"{size_bytes} bytes", found=_found(final))
        self._remove_parts(message_id)

    def drop(self, message_id: str, *, is_replaced: bool) -> None:
        """Remove the parts of an ingestion that did not come to a whole file; idempotent.

        What was joined stays, under the name that says it is not whole, unless it is nothing or `is_replaced`.
        """
        growing = self._growing(message_id)
        if is_replaced or _size(growing) == 0:
            growing.unlink(missing_ok=True)
        self._remove_parts(message_id)

    def leftovers(self) -> list[str]:
        """The message ids that something unfinished is there of."""
        growing = {path.name.removesuffix(GROWING) for path in self._folder.glob(f"*{GROWING}")}
        parts = {path.name for path in (self._folder / PARTS).iterdir() if path.is_dir()}
        return sorted(filter(_is_message_id, growing | parts))

    def has(self, message_id: str) -> bool:
        """Whether the file of an ingestion is there, whole or not."""
        return self._growing(message_id).exists() or self._final(message_id).exists()

    def close(self) -> None:
        """Let go of the lock; idempotent."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            os.close(lock)

    def _append(self, target: int, message_id: str, receipts: Sequence[str], at: int) -> tuple[int, int]:
        parts = parts_of(self._folder, message_id=message_id)
        end = at
        for count, text in enumerate(receipts):
            receipt = Receipt.parse(text)
            try:
                _append(parts / receipt.part, receipt, target=target, at=end)
            except PartDamagedError:
                if count == 0:
                    raise
                os.ftruncate(target, end)
                return count, end
            end += receipt.size_bytes
        return len(receipts), end

    def _reopened(self, message_id: str, *, size_bytes: int) -> Path:
        """The growing file, which may have had its name already."""
        growing, final = self._growing(message_id), self._final(message_id)
        if size_bytes and not growing.exists():
            if _size(final) != size_bytes:
                raise OutputDamagedError(path=str(growing), expected=f"{size_bytes} bytes", found=_found(final))
            final.replace(growing)
            sync_folder(self._folder)
        return growing

    def _remove_parts(self, message_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(parts_of(self._folder, message_id=message_id))

    def _growing(self, message_id: str) -> Path:
        return self._folder / f"{checked(message_id)}{GROWING}"

    def _final(self, message_id: str) -> Path:
        return self._folder / (self._name or f"{checked(message_id)}{SUFFIX}")


def _append(part: Path, receipt: Receipt, *, target: int, at: int) -> None:
    """Copy a part that is what its receipt says; raises PartDamagedError, with nothing copied, when it is not."""
    try:
        source = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        raise PartDamagedError(path=str(part), expected=f"{receipt.size_bytes} bytes", found="no such file") from None
    try:
        size_bytes = os.fstat(source).st_size
        if size_bytes != receipt.size_bytes:
            raise PartDamagedError(path=str(part), expected=f"{receipt.size_bytes} bytes", found=f"{size_bytes} bytes")
        crc32 = _checksum(source, size_bytes)
        if crc32 != receipt.crc32:
            raise PartDamagedError(path=str(part), expected=f"the checksum {receipt.crc32:08x}", found=f"{crc32:08x}")
        _copy(source, target, size_bytes=size_bytes, at=at)
    finally:
        os.close(source)


def _checksum(source: int, size_bytes: int) -> int:
    """Of so many bytes, or of those that are left of a file that becomes shorter."""
    crc32 = done = 0
    while piece := os.pread(source, min(size_bytes - done, _CHECKED_BYTES), done):
        crc32 = zlib.crc32(piece, crc32)
        done += len(piece)
    return crc32


def _copy(source: int, target: int, *, size_bytes: int, at: int) -> None:
    """Copy all of a file that nobody changes, inside of the kernel where that can be done."""
    done = 0
    move = _move_in_kernel if hasattr(os, "copy_file_range") else _move
    while done < size_bytes:
        try:
            moved = move(source, target, size_bytes - done, done, at + done)
        except OSError as error:
            if move is _move or error.errno not in _NOT_THERE:
                raise
            move = _move
            continue
        if moved == 0:
            raise OSError(errno.EIO, "a part became shorter while it was copied")
        done += moved


def _move_in_kernel(source: int, target: int, count: int, source_at: int, target_at: int) -> int:
    return os.copy_file_range(source, target, count, source_at, target_at)


def _move(source: int, target: int, count: int, source_at: int, target_at: int) -> int:
    return os.pwrite(target, os.pread(source, min(count, _PIECE_BYTES), source_at), target_at)


def _cut(target: int, size_bytes: int, *, path: Path) -> None:
    """Cut a file to the length that counts; raises OutputDamagedError when it is shorter."""
    found = os.fstat(target).st_size
    if found < size_bytes:
        raise OutputDamagedError(path=str(path), expected=f"{size_bytes} bytes", found=f"{found} bytes")
    if found > size_bytes:
        os.ftruncate(target, size_bytes)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def _locked(path: Path, *, address: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    owner = lock_or_owner(fd)
    if owner is not None:
        os.close(fd)
        raise SinkUnavailableError(
            address=address,
            reason=f"expected to be the only one who joins files there, found process {owner} at it",
            hint="stop it, or name another folder with --to",
        )
    return fd


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _found(path: Path) -> str:
    size_bytes = _size(path)
    return "no such file" if size_bytes is None else f"{size_bytes} bytes in {path.name}"


def _is_message_id(name: str) -> bool:
    try:
        return bool(checked(name))
    except InvalidValueError:
        return False
