"""The port of stores: containers of files (objects) that can be read in ranges of one exact version.

Called from worker threads, so it blocks. Everything a name could do outside of its container is refused before anything
is touched.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """A file of a container: `version` changes whenever its bytes do (an ETag); `modified_at` is in Unix seconds."""

    name: str
    size_bytes: int
    version: str
    modified_at: float


class Store(Protocol):
    """One container.

    Every method raises ObjectMissingError, ObjectRefusedError (a name that leads out of the container or cannot be
    one), or StoreUnavailableError (down, or the credentials are not taken); all three are MillstreamErrors.
    """

    @property
    def address(self) -> str:
        """Where it is, for people and without credentials."""
        ...

    def head(self, name: str) -> StoredObject:
        """Size and version, without reading it."""
        ...

    def read(self, name: str, *, version: str, start: int, end: int) -> bytes:
        """The bytes `[start, end)` of exactly this version; fewer only where the file ends.

        Raises ObjectChangedError when the file has another version by now.
        """
        ...

    def stream(self, name: str, *, version: str, start: int = 0, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The file from byte `start` on in pieces, of exactly this version; raises ObjectChangedError at any time."""
        ...

    def put(self, name: str, pieces: Iterable[bytes]) -> StoredObject:
        """Write a whole file, which appears under its name only when it is complete and durable."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All files whose name starts with `prefix`, ordered by name."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...

    def close(self) -> None:
        """Let go of connections; idempotent."""
        ...
