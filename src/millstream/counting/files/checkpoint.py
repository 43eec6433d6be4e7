"""What a count of files goes on from after a stop or a crash.

Theory of operation: one file holds everything, and is replaced as a whole: written beside it, synced, renamed. It says
how long the output was, so that what was put out after it is put out again. It is valid only with the same inputs and
the same settings.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from millstream.counting.files.part import PartMark
from millstream.counting.files.tally import TallyMark
from millstream.errors import CheckpointError

VERSION = 1
NAME = "count"


class UsersMark(msgspec.Struct, frozen=True, kw_only=True):
    """A set of users: its sorted hashes as bytes, or its sketch."""

    hashes: bytes | None = None
    sketch: bytes | None = None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment between two blocks.

    `upper_s` is the moment at which the count began, `seconds` how long it has run; `summary` is there once it is over.
    """

    version: int = VERSION
    settings: dict[str, str]
    upper_s: int
    seconds: float
    parts: list[PartMark]
    windows: bytes
    everyone: UsersMark
    tally: TallyMark
    output_bytes: int
    letters_bytes: int
    is_finished: bool


class Checkpoints:
    """The checkpoint of a state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME

    def read(self) -> Checkpoint | None:
        """The last one, None when there is none. Raises CheckpointError when it is none of this version."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CheckpointError(path=str(self._path), reason=f"cannot be read: {error.strerror}") from None
        try:
            version = msgspec.msgpack.decode(data, type=_Version).version
            if version == VERSION:
                return msgspec.msgpack.decode(data, type=Checkpoint)
        except msgspec.DecodeError as error:
            raise CheckpointError(
                path=str(self._path), reason=f"expected a checkpoint, found damage ({error})"
            ) from None
        raise CheckpointError(path=str(self._path), reason=f"expected version {VERSION}, found {version}")

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace it, durably. Raises CheckpointError when that is not possible; the earlier one is kept then."""
        beside = self._path.with_suffix(".tmp")
        try:
            with beside.open("wb") as file:
                file.write(msgspec.msgpack.encode(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            sync_folder(self._folder)
        except OSError as error:
            raise CheckpointError(path=str(self._path), reason=f"cannot be written: {error.strerror}") from None


class _Version(msgspec.Struct):
    version: int


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_same(
    checkpoint: Checkpoint, *, settings: Mapping[str, str], inputs: Sequence[tuple[str, int, int]], folder: Path
) -> None:
    """Raise CheckpointError unless it belongs to these settings and inputs (path, bytes, time of change in ns)."""
    differences = [
        f"{name} was {before}, is {settings.get(name, 'nothing')}"
        for name, before in checkpoint.settings.items()
        if settings.get(name) != before
    ]
    before = {mark.path: (mark.size_bytes, mark.mtime_ns) for mark in checkpoint.parts}
    now = {path: (size_bytes, mtime_ns) for path, size_bytes, mtime_ns in inputs}
    differences += [f"{path} was not among the files" for path in sorted(now.keys() - before.keys())]
    differences += [f"{path} is missing" for path in sorted(before.keys() - now.keys())]
    differences += [
        f"{path} changed from {before[path][0]} to {now[path][0]} bytes"
        if before[path][0] != now[path][0]
        else f"{path} was written to"
        for path in sorted(before.keys() & now.keys())
        if before[path] != now[path]
    ]
    if differences:
        raise CheckpointError(
            path=str(folder),
            reason=f"holds another count: {'; '.join(differences[:5])}",
            hint="go on with the files and settings of before, or count afresh with another --state or none",
        )
