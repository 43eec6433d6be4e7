"""The plain copy of a file that cannot be read in ranges as it is: compressed, or in UTF-16 or UTF-32.

Theory of operation: the copy lies in a scratch store under a name made of the ingestion and of the version of the file,
and appears there only when it is whole. So whoever makes it makes the same, and whoever finds it has the right one: a
copy that was cleared away while it was still wanted (an ingestion that is tried again after its end) is made again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b

from millstream.core.ingestion import Compression, FileSpec, FileState
from millstream.errors import ObjectChangedError, ObjectMissingError, StoreUnavailableError
from millstream.ingest.unpacking import UnpackLimits, sniff, unpack, wide_encoding
from millstream.ports.store import Store, StoredObject

SNIFFED_BYTES = 65_536
"""How much of a file is looked at to tell how it is compressed and encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the bytes of an ingestion come from: its container, and the scratch store for copies."""

    store: Store
    scratch: Store
    limits: UnpackLimits
    heartbeat: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """An object whose bytes can be cut as they are: the file itself, or its copy."""

    store: Store
    name: str
    version: str
    size_bytes: int
    is_copy: bool = False

    def read(self, *, start: int, end: int) -> bytes:
        """See `Store.read`."""
        with self._steady():
            return self.store.read(self.name, version=self.version, start=start, end=end)

    def stream(self, *, start: int, piece_bytes: int) -> Iterator[bytes]:
        """See `Store.stream`."""
        with self._steady():
            yield from self.store.stream(self.name, version=self.version, start=start, piece_bytes=piece_bytes)

    @contextmanager
    def _steady(self) -> Iterator[None]:
        """A copy that changes was made again by somebody else: no news of the file, and the next try reads that."""
        try:
            yield
        except (ObjectChangedError, ObjectMissingError) as error:
            if not self.is_copy:
                raise
            raise StoreUnavailableError(address=self.store.address, reason=f"a copy is being made: {error}") from error


def copy_name(message_id: str, *, version: str) -> str:
    """The name of the plain copy of a version of a file in the scratch store."""
    return f"{message_id}.{blake2b(version.encode(), digest_size=8).hexdigest()}"


def owner_of(name: str) -> str:
    """The message id that a copy belongs to."""
    return name.rpartition(".")[0]


def needed_unpacking(first: bytes, *, spec: FileSpec) -> Compression | None:
    """How the file that begins with `first` has to be unpacked; None if it can be read as it is."""
    compression = sniff(first) if spec.compression is Compression.AUTO else spec.compression
    is_wide = wide_encoding(first, encoding=spec.dialect.encoding) is not None
    return None if compression is Compression.NONE and not is_wide else compression


def make_copy(spec: FileSpec, *, version: str, compression: Compression, places: Places) -> StoredObject:
    """Unpack the file into the scratch store.

    Raises UnreadableFileError when it cannot be unpacked, and what stores raise.
    """
    pieces = _beating(places.store.stream(spec.name, version=version), heartbeat=places.heartbeat)
    plain = unpack(pieces, compression=compression, encoding=spec.dialect.encoding, limits=places.limits)
    return places.scratch.put(copy_name(spec.message_id, version=version), plain)


def readable(spec: FileSpec, *, found: FileState, places: Places) -> Readable:
    """Where to read the bytes that were planned; a copy that is gone is made again."""
    if not found.copy:
        return Readable(store=places.store, name=spec.name, version=found.version, size_bytes=found.size_bytes)
    with suppress(ObjectMissingError):
        return of_copy(places.scratch.head(found.copy), places=places)
    first = places.store.read(spec.name, version=found.version, start=0, end=SNIFFED_BYTES)
    compression = needed_unpacking(first, spec=spec) or Compression.NONE
    return of_copy(make_copy(spec, version=found.version, compression=compression, places=places), places=places)


def of_copy(stored: StoredObject, *, places: Places) -> Readable:
    """How a copy is read."""
    return Readable(
        store=places.scratch, name=stored.name, version=stored.version, size_bytes=stored.size_bytes, is_copy=True
    )


def _beating(pieces: Iterator[bytes], *, heartbeat: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        heartbeat()
        yield piece
