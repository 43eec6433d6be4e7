"""Objects of a bucket, looked at and fetched for an attempt."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from millstream.adapters.objectfiles.reference import Bucket, OpenBucket, file_of, number_of, place_of
from millstream.core.container import ContainerAddress
from millstream.core.model import FileRef
from millstream.errors import ObjectChangedError, ObjectMissingError


class ObjectFetcher:
    """Fetches objects, see `ports.Fetcher`; used by many threads. Buckets are opened at their first use."""

    def __init__(self, *, open_bucket: OpenBucket) -> None:
        self._open = open_bucket
        self._buckets: dict[ContainerAddress, Bucket] = {}
        self._opening = threading.Lock()

    def look(self, file: FileRef) -> FileRef | None:
        """The version that is there now; None when there is none any more. Raises StoreUnavailableError."""
        bucket, name = place_of(file)
        try:
            found = self._bucket(bucket).head(name)
        except ObjectMissingError:
            return None
        return file_of(found, bucket=bucket, root=file.root)

    def fetch(self, file: FileRef, *, target: Path, heartbeat: Callable[[], None]) -> str:
        """Write exactly the listed version to `target`, a new file; returns its SHA-256 in hex digits.

        Raises ObjectChangedError, ObjectMissingError, StoreUnavailableError, and OSError for the target.
        """
        address, name = place_of(file)
        bucket = self._bucket(address)
        found = bucket.head(name)
        if (found.size_bytes, number_of(found.version)) != (file.size_bytes, file.inode):
            raise ObjectChangedError(name=file.path, expected="the one that was listed", found=found.version)
        digest = hashlib.sha256()
        with target.open("xb") as output:
            for piece in bucket.stream(name, version=found.version):
                heartbeat()
                digest.update(piece)
                output.write(piece)
        return digest.hexdigest()

    def _bucket(self, address: ContainerAddress) -> Bucket:
        with self._opening:
            if address not in self._buckets:
                self._buckets[address] = self._open(address)
            return self._buckets[address]
