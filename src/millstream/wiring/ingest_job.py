"""What `millstream ingest PATH` is to do, checked before anything is touched."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from millstream.config.ingesting import IngestConfig, dialect_of
from millstream.core.container import check_name, is_text
from millstream.core.ingestion import Compression, FileSpec, OnChange
from millstream.core.model import FileRef
from millstream.core.splitting import Dialect, Policy
from millstream.errors import ConfigurationError, InvalidValueError, ObjectRefusedError
from millstream.ingest.accepting import path_message_id
from millstream.ingest.unpacking import UnpackLimits
from millstream.wiring.engine import LEDGER, SCRATCH
from millstream.wiring.ingest import COPIES, MARK
from millstream.wiring.sinks import SinkAddress, read_sink

OWN = {COPIES, MARK, SCRATCH, "doorbell", "lock"}
"""What a state folder holds beside the files of its ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJob:
    """What `millstream ingest PATH` is to do: `version` of `path`, as `spec` says, into `sink`."""

    path: Path
    version: str
    spec: FileSpec
    sink: SinkAddress
    workers: int
    limits: UnpackLimits = field(default_factory=UnpackLimits)

    def turn(self, number: int) -> FileSpec:
        """The spec of the n-th time that this is done, from 0."""
        return replace(self.spec, message_id=path_message_id(self.spec, version=self.version, turn=number))


def read_job(path: str, config: IngestConfig, *, state: Path) -> PathJob:
    """Look at file and settings; raises ConfigurationError with all that is wrong, before anything is touched."""
    problems: list[str] = []
    resolved, version = Path(path), ""
    sink = SinkAddress(shown="", full="")
    try:
        resolved, version = _find(path)
    except InvalidValueError as error:
        problems.append(str(error))
    try:
        sink = read_sink(config.to, one_per_message=config.one_per_message, is_file=True)
        _check_output(sink, path=resolved, state=state)
    except InvalidValueError as error:
        problems.append(str(error))
    try:
        dialect = dialect_of(config, name=resolved.name)
    except (ConfigurationError, InvalidValueError) as error:
        problems += str(error).splitlines() if version else []
    if problems:
        raise ConfigurationError(problems)
    spec = _spec(config, path=resolved, dialect=dialect, sink=sink)
    limits = UnpackLimits(max_bytes=config.max_unpacked, max_ratio=config.max_ratio)
    return PathJob(path=resolved, version=version, spec=spec, sink=sink, workers=config.workers, limits=limits)


def _spec(config: IngestConfig, *, path: Path, dialect: Dialect, sink: SinkAddress) -> FileSpec:
    """What is asked for; a chunk is never longer than a record may be, or each would have to be planned exactly."""
    return FileSpec(
        message_id="",
        container=str(path.parent),
        name=path.name,
        sink=sink.shown,
        dialect=dialect,
        policy=Policy(config.policy),
        chunk_bytes=min(config.chunk, config.max_record),
        compression=Compression(config.compression),
        on_change=OnChange(config.on_change),
    )


def _find(path: str) -> tuple[Path, str]:
    """The file with links resolved, and its version; raises InvalidValueError."""
    try:
        return _opened(path)
    except InvalidValueError:
        raise
    except ObjectRefusedError as error:
        raise _wrong_path(f"{path}: its name {error.reason}") from None
    except OSError as error:
        raise _wrong_path(f"{path}: {error.strerror or error}") from None
    except (ValueError, RuntimeError):  # a NUL in the name; links that go round in a circle
        raise _wrong_path(path) from None


def _opened(path: str) -> tuple[Path, str]:
    if not path:
        raise _wrong_path(path)
    resolved = Path(path).resolve(strict=True)
    if not is_text(str(resolved)):
        raise _wrong_path(f"{path}: its path is not UTF-8")
    if not resolved.is_file():  # a pipe is not even opened
        raise _wrong_path(f"{path}: {'a folder' if resolved.is_dir() else 'no file, but a device or pipe'}")
    check_name(resolved.name)
    with resolved.open("rb") as file:
        found = os.fstat(file.fileno())
    reference = FileRef(path="", size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)
    return resolved, reference.version


def _wrong_path(found: str) -> InvalidValueError:
    return InvalidValueError(name="path", expected="a file that can be read", found=found)


def _is_of_state(output: Path, *, state: Path) -> bool:
    """Whether the ledger, or what else an ingestion keeps in its state folder, would be written over."""
    if not output.is_relative_to(state):
        return False
    first = output.relative_to(state).parts[0]
    return first in OWN or first.startswith(LEDGER)


def _check_output(sink: SinkAddress, *, path: Path, state: Path) -> None:
    """Raise InvalidValueError when the output is a file that cannot be written."""
    output = sink.file
    if output is None:
        return
    expected = "a file that can be written"
    if not output.parent.is_dir():
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: there is no folder {output.parent}")
    if output.exists() and not output.is_file():
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: not a file")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise InvalidValueError(name="to", expected=expected, found=f"{output}: {output.parent} cannot be written")
    if _is_of_state(output.resolve(), state=state.resolve()):
        raise InvalidValueError(name="to", expected="a file that is none of the state folder's own", found=str(output))
    if output.resolve() == path:
        raise InvalidValueError(name="to", expected="another file than the one that is read", found=str(output))
