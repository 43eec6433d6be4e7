"""The port of files that are not on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from millstream.core.model import FileRef


class Fetcher(Protocol):
    """Looks at files and fetches them; called from many threads of a worker host, which it blocks."""

    def look(self, file: FileRef) -> FileRef | None:
        """The version of a listed file that is there now; None when it is gone. Raises StoreUnavailableError."""
        ...

    def fetch(self, file: FileRef, *, target: Path, heartbeat: Callable[[], None]) -> str:
        """Write exactly the listed version to `target`, a new file; returns its SHA-256 in hex digits.

        Calls `heartbeat` for every piece. Raises ObjectChangedError, ObjectMissingError, StoreUnavailableError, and
        OSError for the target.
        """
        ...
