"""Handlers of files that are not on this machine.

Theory of operation: before a handler sees its bucket, every file is fetched into a folder of the attempt's own, exactly
in the version that was listed; when the handler is done with them, the folder is removed. What a crash left behind is
removed by the next attempt on that bucket. The checksum of a file is taken while it is fetched.
"""

import inspect
import re
import shutil
import tempfile
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

from millstream.core.model import FileRef, Retry
from millstream.errors import ObjectChangedError, ObjectMissingError
from millstream.ports.fetcher import Fetcher
from millstream.runtime.batch import Batch, Context, Handler

LONGEST_NAME_BYTES = 200
"""Most file systems take 255 for one part of a name; an object's may have more."""


class Fetched:
    """A handler whose files are fetched for it; it gets them with the local path, and their address as `origin`."""

    def __init__(self, handler: Handler, *, fetcher: Fetcher) -> None:
        self._handler = handler
        self._fetcher = fetcher

    def look(self, file: FileRef) -> FileRef | None:
        """The version of a listed file that is there now."""
        return self._fetcher.look(file)

    def __call__(self, batch: Batch, context: Context) -> object:
        """Fetch and work; raises StoreUnavailableError, and what the handler raises."""
        _remove_leftovers(batch, context)
        folder = Path(tempfile.mkdtemp(prefix=f"{batch.id}.{context.attempt}.", dir=context.scratch or None))
        try:
            files = tuple(self._fetch(file, folder / f"{place}", context) for place, file in enumerate(batch.files))
            value = self._handler(batch.holding(files), context)
            if inspect.isawaitable(value):
                return _finish(value, folder=folder)
        except (ObjectChangedError, ObjectMissingError) as error:
            _remove(folder)
            return Retry(error=str(error))  # the next attempt finds it changed before it begins
        except BaseException:
            _remove(folder)
            raise
        _remove(folder)
        return value

    def _fetch(self, file: FileRef, folder: Path, context: Context) -> FileRef:
        folder.mkdir()
        target = folder / _file_name(file.name)
        context.checksums[file.path] = self._fetcher.fetch(file, target=target, heartbeat=context.heartbeat)
        return replace(file, path=str(target), origin=file.path)


async def _finish(value: Awaitable[object], *, folder: Path) -> object:
    try:
        return await value
    finally:
        _remove(folder)


def _file_name(name: str) -> str:
    """The last part of a name, from its end if it is long, so that the suffix stays."""
    return name.rpartition("/")[2].encode()[-LONGEST_NAME_BYTES:].decode(errors="ignore")


def _remove_leftovers(batch: Batch, context: Context) -> None:
    """Of earlier attempts, which have ended by now."""
    if context.attempt == 1 or not context.scratch:
        return
    mine = re.compile(rf"{re.escape(batch.id)}\.(\d+)\.\w+")
    for path in Path(context.scratch).iterdir():
        found = mine.fullmatch(path.name)
        if found and int(found[1]) < context.attempt:
            _remove(path)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
