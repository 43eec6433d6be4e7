"""Write files that others only ever see whole.

Theory of operation: a file is written under a hidden name that carries batch, attempt and number, synced, and renamed.
So doing the work again puts the same file in the same place. A zombie does no harm: before its successor is done, it
has removed the zombie's part files, whereupon their renames fail.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class Publisher:
    """Writes the files of one attempt on a batch, each into a folder that is made if it is missing."""

    def __init__(self, *, batch_id: str, attempt: int) -> None:
        self._batch_id = batch_id
        self._attempt = attempt
        self._started = 0
        self._folders: set[Path] = set()

    @contextmanager
    def writing(self, target: Path) -> Iterator[BinaryIO]:
        """A file that is synced and becomes `target` in the end, or disappears when that fails.

        Raises OSError, a full disk included.
        """
        self._prepare(target.parent)
        part = target.parent / f".{self._batch_id}.{self._attempt}.{self._started}.part"
        self._started += 1
        try:
            with part.open("wb") as output:
                yield output
                sync(output)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def sync_folders(self) -> None:
        """Make the names of all files written so far last through a power failure."""
        for folder in self._folders:
            _sync_folder(folder)

    def _prepare(self, folder: Path) -> None:
        if folder in self._folders:
            return
        _make_folder(folder)
        self._folders.add(folder)
        if self._attempt > 1:
            self._remove_leftovers(folder)

    def _remove_leftovers(self, folder: Path) -> None:
        part = re.compile(rf"\.{re.escape(self._batch_id)}\.(\d+)\.\d+\.part")
        for path in folder.iterdir():
            match = part.fullmatch(path.name)
            if match and int(match[1]) < self._attempt:
                path.unlink(missing_ok=True)


def sync(output: BinaryIO) -> None:
    """Return when all that was written to `output` is on disk."""
    output.flush()
    os.fsync(output.fileno())


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
