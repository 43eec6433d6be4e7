"""A folder as a store.

Theory of operation: a name is opened part by part, each relative to the descriptor of the folder before it and none
of them through a symbolic link, so there is no moment at which a link that somebody swaps in could lead out. What
was opened is then asked what it is; a version is `size-mtime_ns-inode` of that descriptor, compared before and after
the bytes were read. A new file is written beside its place under a hidden name, synced and renamed. The folder itself
may be a link: it is the operator's.
"""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path
from typing import BinaryIO

from millstream.core.container import LONGEST_NAME_BYTES, check_name
from millstream.errors import (
    MillstreamError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectRefusedError,
    StoreUnavailableError,
)
from millstream.ports.store import StoredObject

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe to read it would wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MISSING = {ENOENT, ENOTDIR, ENAMETOOLONG}
_REFUSED = {ELOOP: "is a symbolic link", EISDIR: "is a folder"}


class _NotOursError(Exception):
    """What is to be written could not be had; that is no error of the store."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


class LocalStore:
    """The files below `folder`, which must be there when it is used; see `ports.Store`.

    Hidden files, links and special files are neither listed nor read. With `read_only`, `put` and `delete` raise
    ObjectRefusedError.
    """

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self._folder = os.fspath(folder)
        self._read_only = read_only

    @property
    def address(self) -> str:
        """The folder, as it was named."""
        return self._folder

    def head(self, name: str) -> StoredObject:
        """Size and version."""
        with self._opened(name) as file:
            return _stored(name, os.fstat(file))

    def read(self, name: str, *, version: str, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        with self._opened(name) as file:
            end = min(end, _require(version, name=name, file=file))
            data = b"".join(_pieces(file, start=start, end=end, piece_bytes=max(1, end - start)))
            _require(version, name=name, file=file)
            return data

    def stream(self, name: str, *, version: str, start: int = 0, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The file from byte `start` on."""
        with self._opened(name) as file:
            size_bytes = _require(version, name=name, file=file)
            for piece in _pieces(file, start=start, end=size_bytes, piece_bytes=piece_bytes):
                _require(version, name=name, file=file)
                yield piece
            _require(version, name=name, file=file)

    def put(self, name: str, pieces: Iterable[bytes]) -> StoredObject:
        """Write a whole file; folders that are missing are made."""
        with self._answering(name), self._parent(name, make=True) as (folder, last):
            part = f".{secrets.token_hex(12)}.part"
            try:
                with _created(part, folder=folder) as output:
                    for piece in _guarded(pieces):
                        output.write(piece)
                    output.flush()
                    os.fsync(output.fileno())
                os.rename(part, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise
            os.fsync(folder)
        return self.head(name)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All files whose name starts with `prefix`, ordered by name."""
        with self._answering(prefix):
            root = self._root()
            try:
                yield from _walk(root, above="", prefix=prefix)
            finally:
                os.close(root)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is fine."""
        with suppress(ObjectMissingError), self._answering(name), self._parent(name, is_change=True) as (folder, last):
            os.unlink(last, dir_fd=folder)

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """The descriptor of a regular file."""
        with self._answering(name), self._parent(name) as (folder, last):
            _require_file(os.stat(last, dir_fd=folder, follow_symlinks=False), name=name)  # a device is not even opened
            file = os.open(last, _FILE, dir_fd=folder)
            try:
                _require_file(os.fstat(file), name=name)
                yield file
            finally:
                os.close(file)

    @contextmanager
    def _parent(self, name: str, *, make: bool = False, is_change: bool = False) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that a name is in, and the last part of the name."""
        *folders, last = check_name(name).split("/")
        if self._read_only and (make or is_change):
            raise ObjectRefusedError(name=name, reason=f"{self.address} is only read")
        folder = self._root()
        try:
            for part in folders:
                if make:
                    _make_folder(part, above=folder)
                above, folder = folder, _enter(part, above=folder, name=name)
                os.close(above)
            yield folder, last
        finally:
            os.close(folder)

    def _root(self) -> int:
        try:
            return os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            hint = "is the folder there on this machine, and open to this user?"
            raise StoreUnavailableError(address=self.address, reason=_words(error), hint=hint) from None

    @contextmanager
    def _answering(self, name: str) -> Iterator[None]:
        """Turns errors of the system into ours."""
        try:
            yield
        except MillstreamError:
            raise
        except _NotOursError as error:
            raise error.error from None
        except OSError as error:
            if error.errno in _MISSING:
                raise ObjectMissingError(name=name, container=self.address) from None
            if error.errno in _REFUSED:
                raise ObjectRefusedError(name=name, reason=_REFUSED[error.errno]) from None
            raise StoreUnavailableError(address=self.address, reason=_words(error)) from None


def _require_file(status: os.stat_result, *, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = (
            "link" if stat.S_ISLNK(status.st_mode) else "folder" if stat.S_ISDIR(status.st_mode) else "device or pipe"
        )
        raise ObjectRefusedError(name=name, reason=f"is a {kind}, not a file")


def _enter(part: str, *, above: int, name: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=above)
    except NotADirectoryError:  # a link says so, too
        if stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
            raise ObjectRefusedError(name=name, reason="leads through a symbolic link") from None
        raise


def _make_folder(part: str, *, above: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(part, dir_fd=above)
        os.fsync(above)


@contextmanager
def _created(part: str, *, folder: int) -> Iterator[BinaryIO]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o666, dir_fd=folder), "wb") as output:
        yield output


def _guarded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except OSError as error:
        raise _NotOursError(error) from error


def _pieces(file: int, *, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """The bytes `[start, end)` of an open file, or up to its end."""
    while start < end and (piece := os.pread(file, min(piece_bytes, end - start), start)):
        start += len(piece)
        yield piece


def _version(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


def _require(version: str, *, name: str, file: int) -> int:
    """The size of an open file; raises ObjectChangedError when it has another version."""
    status = os.fstat(file)
    found = _version(status)
    if found != version:
        raise ObjectChangedError(name=name, expected=version, found=found)
    return status.st_size


def _stored(name: str, status: os.stat_result) -> StoredObject:
    return StoredObject(
        name=name, size_bytes=status.st_size, version=_version(status), modified_at=status.st_mtime_ns / 1e9
    )


def _walk(folder: int, *, above: str, prefix: str) -> Iterator[StoredObject]:
    """The files below an open folder whose names, with `above` in front, start with `prefix`, in order."""
    # A folder is sorted with its slash, so that everything below it comes where its name belongs.
    entries = sorted(_entries(folder), key=lambda entry: entry[0])
    for name, is_folder in entries:
        whole = above + name
        if not (whole.startswith(prefix) or (is_folder and prefix.startswith(whole))):
            continue
        if len(whole.encode()) > LONGEST_NAME_BYTES:
            continue
        with suppress(FileNotFoundError, NotADirectoryError):  # it went meanwhile, or something else came
            if is_folder:
                below = os.open(name.rstrip("/"), _FOLDER, dir_fd=folder)
                try:
                    yield from _walk(below, above=whole, prefix=prefix)
                finally:
                    os.close(below)
            else:
                yield _stored(whole, os.stat(name, dir_fd=folder, follow_symlinks=False))


def _entries(folder: int) -> list[tuple[str, bool]]:
    """The names in a folder that files may have, those of folders with a slash behind them."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder or entry.is_file(follow_symlinks=False):
                with suppress(ObjectRefusedError):
                    found.append((check_name(entry.name) + ("/" if is_folder else ""), is_folder))
    return found


def _words(error: OSError) -> str:
    return error.strerror or str(error)
