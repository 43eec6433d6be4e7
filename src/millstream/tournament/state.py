"""The file of a live event: one JSON document, always whole.

Theory of operation: a new version is written beside the file, brought to the disk and renamed over it, so a crash at
any time leaves the old version or the new one. Whoever changes an event holds a lock on its folder meanwhile, so two
people who report at once take turns, and the second is told that the round is reported already.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millstream.tournament.document import DocumentError, from_json, to_json
from millstream.tournament.errors import EventFileError
from millstream.tournament.event import Tournament


def load(path: Path) -> Tournament:
    """The event of a file; raises EventFileError."""
    try:
        return Tournament.of(from_json(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise EventFileError(path, reason="there is no such file; `millstream tournament new` makes one") from None
    except OSError as error:
        raise EventFileError(path, reason=f"cannot read it: {error.strerror}") from error
    except (DocumentError, UnicodeDecodeError) as error:
        raise EventFileError(path, reason=str(error)) from error


def save(tournament: Tournament, *, path: Path) -> None:
    """Write the event to a file, all of it or nothing; raises EventFileError."""
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.new")
    try:
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(to_json(tournament.record))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        with _folder(path) as folder:
            os.fsync(folder)  # the rename itself
    except OSError as error:
        raise EventFileError(path, reason=f"cannot write it: {error.strerror}") from error


@contextmanager
def editing(path: Path) -> Iterator[Tournament]:
    """The event of a file, saved at the end unless an error came; others who edit it wait. Raises EventFileError."""
    with _locked(path):
        tournament = load(path)
        yield tournament
        save(tournament, path=path)


def create(tournament: Tournament, *, path: Path) -> None:
    """Write a new event, never over an existing file; raises EventFileError."""
    with _locked(path):
        if path.exists():
            raise EventFileError(path, reason="it exists already; choose another name, or move it away")
        save(tournament, path=path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the folder; a process that dies lets go of it."""
    try:
        with _folder(path) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
    except FileNotFoundError as error:
        raise EventFileError(path, reason=f"its folder cannot be used: {error.strerror}") from error


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        yield folder
    finally:
        os.close(folder)
