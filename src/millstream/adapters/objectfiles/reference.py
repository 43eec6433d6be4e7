"""Objects as `FileRef`s.

Theory of operation: a `FileRef` is told apart by size, modification time and inode. An object has its ETag in place of
an inode: 63 bits of a BLAKE2b hash of it, a number that any ledger can keep. Its time is in whole seconds, because
lists of some stores know fractions that their other answers do not.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Protocol

from millstream.core.container import ContainerAddress, parse_container
from millstream.core.model import FileRef
from millstream.ports.store import Store, StoredObject

_NS = 1_000_000_000


class Bucket(Store, Protocol):
    """A store that also tells of objects whose names it refuses."""

    def everything(self, prefix: str = "") -> Sequence[StoredObject]:
        """All objects whose names start with `prefix`, ordered by name."""
        ...


OpenBucket = Callable[[ContainerAddress], Bucket]
"""Opens a whole bucket; called when it is needed, and once for each."""


def file_of(found: StoredObject, *, bucket: ContainerAddress, root: str) -> FileRef:
    """The object as a file that was found under the address `root`."""
    path = bucket.named(found.name)
    return FileRef(
        path=path,
        size_bytes=found.size_bytes,
        mtime_ns=int(found.modified_at) * _NS,
        inode=number_of(found.version),
        root=root,
        name=path.removeprefix(f"{root}/"),
    )


def number_of(etag: str) -> int:
    """What stands for an ETag where an inode is expected."""
    return int.from_bytes(blake2b(etag.encode(), digest_size=8).digest(), "big") >> 1


def place_of(file: FileRef) -> tuple[ContainerAddress, str]:
    """The bucket that a file is in, and its name there."""
    address = parse_container(file.path)
    return ContainerAddress(kind=address.kind, place=address.place), address.prefix
