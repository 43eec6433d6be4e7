"""Files pipelines of object stores: who lists, looks at and fetches their files."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from millstream.adapters.folder import FolderLister, common_root
from millstream.adapters.objectfiles import ObjectFetcher, ObjectLister, OpenBucket
from millstream.adapters.store import check_objects, open_bucket, read_credentials
from millstream.config import FilesConfig
from millstream.core.container import ContainerAddress, is_object_address, parse_container
from millstream.errors import CredentialsError, MissingExtraError
from millstream.ports import Lister
from millstream.runtime.batch import Handler, MakeHandler
from millstream.runtime.fetching import Fetched


def addresses_of(files: FilesConfig) -> tuple[ContainerAddress, ...]:
    """The addresses of a pipeline whose files are in object stores; () for one of folders."""
    return tuple(parse_container(path, name="paths") for path in files.paths if is_object_address(path))


def check_addresses(files: FilesConfig) -> list[str]:
    """What keeps the object stores of a pipeline from being used, as far as it shows without asking them."""
    try:
        if addresses_of(files):
            check_objects()
        if files.credentials:
            read_credentials(Path(files.credentials))
    except (CredentialsError, MissingExtraError) as error:
        return [f"{files.name}: {error}"]
    return []


def lister_of(files: FilesConfig, *, exclude: Sequence[str]) -> Lister:
    """What finds the files of a pipeline; nothing is listed that lies in a folder of `exclude`."""
    addresses = addresses_of(files)
    if addresses:
        return ObjectLister(addresses, open_bucket=_opener(files))
    return FolderLister(files.paths, settle_s=files.settle, exclude=exclude)


def with_files_here(files: FilesConfig, make: MakeHandler) -> MakeHandler:
    """A handler of a pipeline for which the files are fetched, if they are in object stores."""
    if not addresses_of(files):
        return make

    def make_fetched() -> Handler:
        return Fetched(make(), fetcher=ObjectFetcher(open_bucket=_opener(files)))

    return make_fetched


def base_of(files: FilesConfig) -> str | None:
    """What the names of copies are relative to; None for the root of each file."""
    addresses = addresses_of(files)
    if not addresses:
        return common_root(files.paths)
    if len(addresses) == 1:
        return None
    # One that names a single object is not told from one that names a folder, so both count from above.
    return os.path.commonpath([str(PurePosixPath(str(each)).parent if each.prefix else each) for each in addresses])


def _opener(files: FilesConfig) -> OpenBucket:
    return partial(open_bucket, credentials=Path(files.credentials) if files.credentials else None, read_only=True)
