"""Finding files in object stores.

Theory of operation: an address stands for one object, or for all that is below it as below a folder. An object appears
as a whole, so there is none that is still being written: every file is settled.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from millstream.adapters.objectfiles.reference import Bucket, OpenBucket, file_of
from millstream.core.container import ContainerAddress, check_name, is_hidden
from millstream.errors import ObjectMissingError, ObjectRefusedError, SourceError, StoreUnavailableError
from millstream.ports import Listing
from millstream.ports.store import StoredObject

if TYPE_CHECKING:
    from millstream.core.model import FileRef


class ObjectLister:
    """Lists the objects that `addresses` name, see `ports.Lister`.

    The root of a file, which its `name` is relative to, is the address, or the part of it above the last slash where
    it names one object. Hidden files are ignored; names that could not be the names of files are refused, each with its
    reason. An address with nothing below it is no error, as prefixes come and go with what is in them.
    """

    def __init__(self, addresses: Sequence[ContainerAddress], *, open_bucket: OpenBucket) -> None:
        self._addresses = tuple(addresses)
        self._open = open_bucket

    async def scan(self) -> Listing:
        """List all objects once, ordered by path, each path once however often it was named.

        Raises SourceError when a store is not there or cannot be listed.
        """
        return await asyncio.to_thread(self._scan)

    def _scan(self) -> Listing:
        files: dict[str, FileRef] = {}
        refused: dict[str, str] = {}
        ignored: set[str] = set()
        for address in self._addresses:
            bucket = ContainerAddress(kind=address.kind, place=address.place)
            for root, found in self._found(address, bucket):
                file = file_of(found, bucket=bucket, root=root)
                try:
                    if is_hidden(file.name):
                        ignored.add(file.path)
                    elif check_name(file.name):
                        files.setdefault(file.path, file)
                except ObjectRefusedError as error:
                    refused[_shown(file.path)] = error.reason
        return Listing(
            settled=tuple(files[path] for path in sorted(files)),
            refused=tuple(sorted(refused.items())),
            ignored=len(ignored),
        )

    def _found(self, address: ContainerAddress, bucket: ContainerAddress) -> Iterator[tuple[str, StoredObject]]:
        """Objects, each with the address of its root."""
        try:
            with closing(self._open(bucket)) as store:
                yield from _objects(store, address=address, bucket=bucket)
        except StoreUnavailableError as error:
            reason = f"cannot be listed: {error.reason}"
            raise SourceError(
                source=str(address), reason=reason, hint="is it up, and are its credentials right?"
            ) from None
        except ObjectRefusedError as error:
            reason = f"cannot be listed: '{_shown(error.name)}' {error.reason}"
            raise SourceError(
                source=str(address), reason=reason, hint="rename that object, or name a prefix beside it"
            ) from None


def _objects(
    store: Bucket, *, address: ContainerAddress, bucket: ContainerAddress
) -> Iterator[tuple[str, StoredObject]]:
    if not address.prefix:
        for found in store.everything():
            yield str(address), found
        return
    with suppress(ObjectMissingError, ObjectRefusedError):
        above = address.prefix.rpartition("/")[0]
        yield (bucket.named(above) if above else str(bucket)), store.head(address.prefix)
    for found in store.everything(f"{address.prefix}/"):
        yield str(address), found


def _shown(name: str) -> str:
    """Fit for one line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
