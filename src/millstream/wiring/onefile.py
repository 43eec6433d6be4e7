"""One file as the output of one ingestion, and the hidden folder beside it in which it is made.

Theory of operation: the parts of a file lie in a folder on the same disk, so that the whole file can take its place at
once; the folder goes when the file is there. While its ingestion has not ended, the folder of its parts is there: when
it is not, somebody removed what was published, and the ingestion has to begin anew. One process at a time makes a file:
it holds a lock in the folder, which ends with the process. Who gets the lock of a folder that was just removed has
nothing, and tries again.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from millstream.adapters.partfile import PARTS, JoinedFolder
from millstream.adapters.partfile.folderlock import lock_or_owner
from millstream.adapters.partfile.joined import GROWING
from millstream.errors import InvalidValueError

FILE = "file:"
"""How the address of such a sink begins."""

_LOCK = "lock"


class OneFile(JoinedFolder):
    """One file as the output of one ingestion; it takes the place of what was there before, once it is whole."""

    def __init__(self, output: Path) -> None:
        self._output = output
        super().__init__(parts_folder(f"{FILE}{output}"), name=f"../{output.name}")

    def finish(self, message_id: str, *, size_bytes: int) -> None:
        """See OutputFolder."""
        if size_bytes == 0:  # what lies there is of an earlier one, and an empty file is to take its place
            self._growing(message_id).touch()
        super().finish(message_id, size_bytes=size_bytes)
        folder = os.open(self._output.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class OutputLock:
    """The right to make the file of a sink `shown`, which may be no file: then there is nothing to it."""

    def __init__(self, shown: str) -> None:
        self._folder = parts_folder(shown) if shown.startswith(FILE) else None
        self._output = shown.removeprefix(FILE)
        self._lock: int | None = None

    def acquire(self) -> None:
        """Take it, and make the folder; raises InvalidValueError when another process has it, OSError."""
        while self._folder is not None and self._lock is None:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / _LOCK
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:  # the folder was just removed
                continue
            owner = lock_or_owner(lock)
            if owner is not None:
                os.close(lock)
                raise InvalidValueError(
                    name="to",
                    expected="a file that nobody else writes just now",
                    found=f"{self._output}: process {owner} writes it",
                )
            if not _is_same(path, lock):
                os.close(lock)
                continue
            self._lock = lock

    def release(self, *, clear: bool = False) -> None:
        """Let go of it, with `clear` after the folder was removed with all that is in it. Idempotent."""
        if self._lock is None:
            return
        if clear and self._folder is not None:
            with suppress(OSError):
                shutil.rmtree(self._folder)
        lock, self._lock = self._lock, None
        os.close(lock)


def parts_folder(shown: str) -> Path:
    """The folder in which the parts of a sink are."""
    if not shown.startswith(FILE):
        return Path(shown)
    output = Path(shown.removeprefix(FILE))
    return output.with_name(f".{output.name}.millstream")


def begin_parts(shown: str, *, message_id: str) -> None:
    """Make the folder of an ingestion's parts: while it is there, its file is not in place. Raises OSError."""
    if shown.startswith(FILE):
        (parts_folder(shown) / PARTS / message_id).mkdir(parents=True, exist_ok=True)


def is_unfinished(shown: str, *, message_id: str) -> bool:
    """Whether something of an ingestion waits to be put into its file, whatever the ledger says of its chunks."""
    if not shown.startswith(FILE):
        return False
    folder = parts_folder(shown)
    return (folder / PARTS / message_id).exists() or (folder / f"{message_id}{GROWING}").exists()


def has_output(shown: str, *, message_id: str, size_bytes: int) -> bool:
    """Whether the file that an ingestion made, of so many bytes, is still there, as far as can be told.

    It begins with the id of a record of its own, unless another one took its place. One that grew since is the
    business of who wrote there. True for a sink that is no file.
    """
    if not shown.startswith(FILE):
        return True
    begin = f'{{"_id":"{message_id}:'.encode()
    try:
        with Path(shown.removeprefix(FILE)).open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            return found >= size_bytes and file.read(len(begin)) == begin if size_bytes else found == 0
    except OSError:
        return False


def clear_if_empty(shown: str) -> None:
    """Remove the hidden folder beside a file, unless there is anything in it or anybody is at it."""
    if not shown.startswith(FILE) or not (folder := parts_folder(shown)).exists():
        return
    lock = OutputLock(shown)
    with suppress(OSError, InvalidValueError):
        lock.acquire()
        is_empty = {*folder.rglob("*")} <= {folder / PARTS, folder / PARTS / _LOCK, folder / _LOCK}
        lock.release(clear=is_empty)


def _is_same(path: Path, descriptor: int) -> bool:
    """Whether the file of that name is the open one."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
