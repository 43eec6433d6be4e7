"""A bucket of S3, or a container of Azure Blob Storage, as a store.

Theory of operation: every read is of a range, at most `WINDOW_BYTES` of it, and carries If-Match with the ETag that is
the version: a file that was replaced in the middle is an error and never a mixture. So no request is long, none holds
a connection while the reader is busy elsewhere, and a reader needs one window of memory. What is written goes up in
parts and appears when the last one is there. Requests are hardly retried here, since whoever works a batch tries the
batch again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PreconditionError

from millstream.core.container import ContainerAddress, check_name
from millstream.errors import ObjectChangedError, ObjectMissingError, ObjectRefusedError, StoreUnavailableError
from millstream.ports.store import StoredObject

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore as Bucket

WINDOW_BYTES = 8 << 20
PART_BYTES = 16 << 20
"""S3 takes at most 10,000 parts, so a file that is written may have 160 GB."""
PARTS_AT_ONCE = 2

_LONGEST_REASON = 240
_QUERY = re.compile(r"\?\S*")  # may be a signature
_CODE = re.compile(r"<Code>(\w+)</Code>")
_BAD_PATH = re.compile(r'[Pp]ath "([^"]*)"')
_METADATA_SERVICE = "169.254."


class ObjectStore:
    """The objects below the prefix of `address`; see `ports.Store`.

    `bucket` is the obstore client of the whole bucket. With `read_only`, `put` and `delete` raise ObjectRefusedError.
    """

    def __init__(self, bucket: "Bucket", *, address: ContainerAddress, read_only: bool = False) -> None:
        self._bucket = bucket
        self._address = address
        self._below = f"{address.prefix}/" if address.prefix else ""
        self._read_only = read_only

    @property
    def address(self) -> str:
        """Such as `s3://bucket/prefix`."""
        return str(self._address)

    def head(self, name: str) -> StoredObject:
        """Size and version."""
        key = self._key(name)
        with self._answering(name):
            return self._stored(obstore.head(self._bucket, key))

    def read(self, name: str, *, version: str, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        if end - start <= WINDOW_BYTES:
            return self._window(name, version=version, start=start, end=end)
        end = min(end, self._require(name, version=version).size_bytes)
        return b"".join(self._windows(name, version=version, start=start, end=end))

    def stream(self, name: str, *, version: str, start: int = 0, piece_bytes: int = 1 << 20) -> Iterator[bytes]:
        """The file from byte `start` on."""
        end = self._require(name, version=version).size_bytes
        for window in self._windows(name, version=version, start=start, end=end):
            for at in range(0, len(window), piece_bytes):
                yield window[at : at + piece_bytes]

    def put(self, name: str, pieces: Iterable[bytes]) -> StoredObject:
        """Write a whole file, in parts."""
        key = self._writable(name)
        counted = _Counted(pieces)
        with self._answering(name):
            try:
                result = obstore.put(
                    self._bucket, key, iter(counted), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                )
            except BaseException:
                if counted.failure is not None:  # it is no error of the store
                    raise _NotOursError(counted.failure) from None
                raise
        found = self.head(name)
        return StoredObject(
            name=name,
            size_bytes=counted.size_bytes,
            version=_bare(result["e_tag"]) or found.version,
            modified_at=found.modified_at,
        )

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All files whose name starts with `prefix`, ordered by name; holds the whole list in memory."""
        for found in self.everything(prefix):
            with suppress(ObjectRefusedError):
                check_name(found.name)
                yield found

    def everything(self, prefix: str = "") -> Sequence[StoredObject]:
        """What `list` says, and the objects whose names are refused as well, so that they can be told of.

        Names that stand for folders (they end with a slash) are left out.
        """
        folder = (self._below + prefix).rpartition("/")[0]
        with self._answering(prefix, is_list=True):
            found = [
                self._stored(meta)
                for page in obstore.list(self._bucket, prefix=folder or None)
                for meta in page
                if meta["path"].startswith(self._below + prefix)
            ]
        return sorted(filter(self._is_file, found), key=attrgetter("name"))

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is fine."""
        key = self._writable(name)
        with suppress(ObjectMissingError), self._answering(name):
            obstore.delete(self._bucket, key)

    def close(self) -> None:
        """Connections end with the process."""

    def _key(self, name: str) -> str:
        return self._below + check_name(name)

    def _writable(self, name: str) -> str:
        key = self._key(name)
        if self._read_only:
            raise ObjectRefusedError(name=name, reason=f"{self.address} is only read")
        return key

    def _stored(self, meta: "ObjectMeta") -> StoredObject:
        version = _bare(meta["e_tag"])
        if not version:
            raise StoreUnavailableError(address=self.address, reason="it gives no ETags, which tell versions apart")
        return StoredObject(
            name=meta["path"].removeprefix(self._below),
            size_bytes=meta["size"],
            version=version,
            modified_at=meta["last_modified"].timestamp(),
        )

    def _is_file(self, found: StoredObject) -> bool:
        """Not so the empty object that a folder `name/` is kept by: lists show it without its slash."""
        if found.size_bytes:
            return True
        with suppress(ObjectMissingError, ObjectRefusedError):
            self.head(found.name)
            return True
        return False

    def _require(self, name: str, *, version: str) -> StoredObject:
        found = self.head(name)
        if found.version != version:
            raise ObjectChangedError(name=name, expected=version, found=found.version)
        return found

    def _windows(self, name: str, *, version: str, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, WINDOW_BYTES):
            yield self._window(name, version=version, start=at, end=min(at + WINDOW_BYTES, end))

    def _window(self, name: str, *, version: str, start: int, end: int) -> bytes:
        """One request; fewer bytes only where the file ends."""
        key = self._key(name)
        if start >= end:
            self._require(name, version=version)
            return b""

        def is_behind_the_end() -> bool:  # which stores have no common word for
            return self._require(name, version=version).size_bytes <= start

        with self._answering(name, version=version):
            try:
                found = obstore.get(self._bucket, key, options={"if_match": f'"{version}"', "range": (start, end)})
                data = bytes(found.bytes())
            except (PreconditionError, OSError):
                raise
            except BaseError:
                if is_behind_the_end():
                    return b""
                raise
        if len(data) < min(end, found.meta["size"]) - start:
            raise StoreUnavailableError(address=self.address, reason=f"{name!r} was not sent to the end")
        return data

    @contextmanager
    def _answering(self, name: str, *, version: str = "", is_list: bool = False) -> Iterator[None]:
        """Turns errors of the client into ours."""
        try:
            yield
        except _NotOursError as error:
            raise error.failure from None
        except FileNotFoundError as error:
            if is_list or "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raise self._unavailable(error) from None
            raise ObjectMissingError(name=name, container=self.address) from None
        except PreconditionError:
            raise ObjectChangedError(name=name, expected=version, found=self._version_now(name)) from None
        except (InvalidPathError, ValueError) as error:
            raise _refused(name, error) from None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None

    def _version_now(self, name: str) -> str:
        """Raises ObjectMissingError: some stores say of what is not there that it does not match."""
        try:
            return self.head(name).version
        except StoreUnavailableError:
            return "another"

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(address=self.address, reason=reason_of(error))


class _NotOursError(Exception):
    """What is to be written could not be had; that is no error of the store."""

    def __init__(self, failure: BaseException) -> None:
        self.failure = failure
        super().__init__(str(failure))


class _Counted:
    """Pieces on their way to a store: how many bytes, and what went wrong before they reached it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size_bytes = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces:
                self.size_bytes += len(piece)
                yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _bare(etag: str | None) -> str:
    """Headers have ETags in quotes, and some lists have them without."""
    return (etag or "").strip('"')


def _refused(name: str, error: Exception) -> ObjectRefusedError:
    if not isinstance(error, InvalidPathError):
        return ObjectRefusedError(name=name, reason=reason_of(error))
    bad = _BAD_PATH.search(str(error))
    return ObjectRefusedError(
        name=bad[1] if bad else name,
        reason="has an empty part, one that is . or .., or a control character; as long as it is there, "
        "nothing beside it can be listed",
    )


def reason_of(error: Exception) -> str:
    """What a client says, on one line, without signatures."""
    text = str(error)
    if _METADATA_SERVICE in text:
        return "there are no credentials, neither in the environment or a file nor from the machine itself"
    code = _CODE.search(text)
    line = _QUERY.sub("", text.partition("\n")[0].partition("<?xml")[0]).strip().rstrip(":")
    return (line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}...") + (
        f" ({code[1]})" if code else ""
    )
