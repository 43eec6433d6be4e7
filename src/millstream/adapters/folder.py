"""Finding files in folders.

Theory of operation: every PATH becomes a start: a root, a path in it, and what of a glob is still to be matched
below. The walk goes down from there without following links to folders, so what it lists is the real path of a
file, which is the file's identity; only a link needs a look at where it leads. A file is settled when it has been
as it is for long enough, by its own time stamp or, where that lies in the future, by our having seen it before.
"""

import asyncio
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path

from millstream.core.model import FileRef
from millstream.errors import SourceError
from millstream.ports import Listing

Pattern = tuple[str, ...]
"""The parts of a glob; () stands for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where a walk begins: at `path`, a file or a folder in or at `root`, both real paths."""

    root: str
    path: str
    pattern: Pattern = ()


class FolderLister:
    """Lists the files that `paths` name: files, folders with all that is below them, and globs.

    In a glob `*`, `?` and `[...]` match within a name and `**` any number of folders; a folder that matches stands
    for all that is below it. The root of a file, which its `name` is relative to, is the folder named, or that
    part of the glob which has no wildcard, or the folder of a file that is named itself.

    A file is settled once `settle_s` seconds have passed since it was modified, or since an earlier scan that found
    it as it is now. The latter settles files whose modification time lies in the future.

    Never listed is what lies in a folder of `exclude`, and, counted as ignored, what a walk finds whose name begins
    with a dot. A link inside its root lists its target, under the target's own name; one that leads to a folder is
    passed over, as the walk comes to that folder anyway. Refused, each with its reason, are links that leave their
    root or lead nowhere, what is neither file nor folder, what cannot be read, and paths that cannot be written
    on a line of text. A glob that nothing matches is no error.

    `now` is the time in seconds by which files are stamped.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        settle_s: float,
        exclude: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._paths = tuple(paths)
        self._settle_s = settle_s
        self._exclude = tuple(os.path.realpath(path) for path in exclude)
        self._now = now
        self._seen_at: dict[FileRef, float] = {}

    async def scan(self) -> Listing:
        """List all files once, ordered by path, each path once however often it was named.

        Raises SourceError when one of the paths is missing, or all lie in excluded folders.
        """
        return await asyncio.to_thread(self._scan)

    def _scan(self) -> Listing:
        starts = [start for start in map(_start, self._paths) if not _lies_in(start.root, self._exclude)]
        if not starts:
            raise SourceError(
                source=", ".join(self._paths),
                reason="lies in a folder that Millstream itself writes to",
                hint="name another folder, or another one for the state and the results",
            )
        walk = _Walk(self._exclude)
        for start in starts:
            walk.visit(start)
        settled, unsettled = self._settle(sorted(walk.files.values(), key=attrgetter("path")))
        return Listing(
            settled=tuple(settled),
            unsettled=tuple(unsettled),
            refused=tuple(sorted(walk.refused.items())),
            ignored=len(walk.ignored),
        )

    def _settle(self, files: Iterable[FileRef]) -> tuple[list[FileRef], dict[FileRef, float]]:
        """Tell settled files from the others, and remember these with the time they were first seen as they are."""
        now = self._now()
        settled = []
        unsettled = {}
        for file in files:
            rests_since = file.mtime_ns / 1e9
            if now - rests_since < self._settle_s:
                rests_since = self._seen_at.get(file, now)
            if now - rests_since < self._settle_s:
                unsettled[file] = rests_since
            else:
                settled.append(file)
        self._seen_at = unsettled
        return settled, unsettled


def common_root(paths: Sequence[str]) -> str:
    """The deepest folder that holds all roots of `paths`; relative to it no two files have the same name.

    Raises SourceError when one of the paths is missing.
    """
    return os.path.commonpath([_start(path).root for path in paths])


class _Walk:
    """One look at the folders: gathers what it finds."""

    def __init__(self, exclude: tuple[str, ...]) -> None:
        self.files: dict[str, FileRef] = {}
        self.refused: dict[str, str] = {}
        self.ignored: set[str] = set()
        self._exclude = exclude
        self._visited: set[tuple[str, Pattern]] = set()
        self._pending: list[tuple[str, str, Pattern]] = []

    def visit(self, start: _Start) -> None:
        """Gather what `start` stands for."""
        try:
            info = os.lstat(start.path)
        except FileNotFoundError:
            return
        self._sort(start.root, start.path, info, {start.pattern})
        while self._pending:
            root, folder, pattern = self._pending.pop()
            if (folder, pattern) not in self._visited:
                self._visited.add((folder, pattern))
                self._look_into(root, folder, pattern)

    def _look_into(self, root: str, folder: str, pattern: Pattern) -> None:
        for entry in self._entries(folder):
            rests = _rests(entry.name, pattern)
            if rests and entry.name.startswith("."):
                self.ignored.add(entry.path)
            elif rests:
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self._refuse(entry.path, f"cannot be looked at: {error.strerror}")
                    continue
                self._sort(root, entry.path, info, rests)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(folder, f"cannot be listed: {error.strerror}")

    def _sort(self, root: str, path: str, info: os.stat_result, rests: set[Pattern]) -> None:
        """Decide what becomes of `path`, below which `rests` of the glob are to be matched."""
        if stat.S_ISLNK(info.st_mode):
            self._follow(root, path, rests)
        elif stat.S_ISDIR(info.st_mode):
            if not _lies_in(path, self._exclude):
                self._pending += [(root, path, rest) for rest in rests]
        elif () not in rests or path in self.files:
            return
        elif not stat.S_ISREG(info.st_mode):
            self._refuse(path, "is neither a file nor a folder")
        elif not os.access(path, os.R_OK, effective_ids=True):
            self._refuse(path, "cannot be read: Permission denied")
        elif not _is_text(path):
            self._refuse(path, "has a newline or bytes that are not UTF-8 in its path")
        else:
            self.files[path] = FileRef(
                path=path,
                size_bytes=info.st_size,
                mtime_ns=info.st_mtime_ns,
                inode=info.st_ino,
                root=root,
                name=path[len(root) :].lstrip("/"),
            )

    def _follow(self, root: str, link: str, rests: set[Pattern]) -> None:
        try:
            target = os.path.realpath(link, strict=True)
            info = os.lstat(target)
        except OSError as error:
            self._refuse(link, f"is a symbolic link that leads nowhere: {error.strerror}")
            return
        if not _lies_in(target, (root,)):
            self._refuse(link, f"is a symbolic link that leaves {root}")
        elif not stat.S_ISDIR(info.st_mode) and not _lies_in(target, self._exclude):
            self._sort(root, target, info, rests)

    def _refuse(self, path: str, reason: str) -> None:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace").replace("\n", "\\n")
        self.refused[shown] = reason


def _start(path: str) -> _Start:
    """Where to look for what the user calls `path`; what exists is never taken for a glob."""
    try:
        os.lstat(path)
        is_folder = Path(path).is_dir()
    except OSError as error:
        parts = Path(path).parts
        wild = [number for number, part in enumerate(parts) if set(part) & set("*?[")]
        if not wild:
            raise SourceError(
                source=path, reason=error.strerror or str(error), hint="check the path and the rights to it"
            ) from error
        root = os.path.realpath(Path(*parts[: wild[0]]))
        return _Start(root=root, path=root, pattern=parts[wild[0] :])
    if is_folder:
        root = os.path.realpath(path)
        return _Start(root=root, path=root)
    root = os.path.realpath(Path(path).parent)
    return _Start(root=root, path=str(Path(root, Path(path).name)))


def _rests(name: str, pattern: Pattern) -> set[Pattern]:
    """What may be left of `pattern` below an entry called `name`; nothing when it does not match."""
    if not pattern or pattern == ("**",):
        return {()}
    if pattern[0] == "**":
        return {pattern} | _rests(name, pattern[1:])
    return {pattern[1:]} if fnmatchcase(name, pattern[0]) else set()


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    """Whether the real `path` is one of the real `folders`, or below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _is_text(path: str) -> bool:
    """Whether `path` can be passed on as one line of UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\n" not in path
