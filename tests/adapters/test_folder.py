"""Finding files: each once, only settled ones, none through links that lead out, from real folders."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.adapters.folder import FolderLister, common_root
from millstream.errors import SourceError
from millstream.ports import Listing
from millstream.testing.clock import ManualClock

LONG_AGO_S = 1_000_000_000.0
NOW_S = 1_700_000_000.0


def make(path: Path, *, content: bytes = b"x", modified_at: float = LONG_AGO_S) -> Path:
    """A file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified_at, modified_at))
    return path


def scan(*paths: Path | str, exclude: tuple[str, ...] = ()) -> Listing:
    """What one look finds."""
    lister = FolderLister([str(path) for path in paths], settle_s=2, exclude=exclude, now=lambda: NOW_S)
    return asyncio.run(lister.scan())


def names(listing: Listing) -> list[str]:
    """The names of settled files, relative to their roots."""
    return [file.name for file in listing.settled]


def reasons(listing: Listing, root: Path) -> dict[str, str]:
    """Why what was refused, by its name relative to `root`."""
    return {path.removeprefix(f"{root}/"): reason for path, reason in listing.refused}


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Be a user to whom permissions apply."""
    user = os.geteuid()
    folder.chmod(0o755)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_folder_stands_for_all_files_below_it(tmp_path: Path) -> None:
    """They come in order of their paths, each with its version, its root and its name there."""
    make(tmp_path / "b")
    file = make(tmp_path / "a/deep/c", content=b"123")

    listing = scan(tmp_path)

    assert names(listing) == ["a/deep/c", "b"]
    found = listing.settled[0]
    assert (found.path, found.root) == (str(file), str(tmp_path))
    assert (found.size_bytes, found.inode) == (3, file.stat().st_ino)
    assert found.mtime_ns == file.stat().st_mtime_ns


def test_a_file_is_named_relative_to_its_folder(tmp_path: Path) -> None:
    """A PATH that is a file has its folder as root."""
    make(tmp_path / "a/b")

    listing = scan(tmp_path / "a/b")

    assert names(listing) == ["b"]
    assert listing.settled[0].root == str(tmp_path / "a")


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed has absolute paths all the same."""
    make(tmp_path / "a/b")
    monkeypatch.chdir(tmp_path)

    listings = [scan("a"), scan("a/b"), scan("*/b"), scan("a/../a")]

    assert {listing.settled[0].path for listing in listings} == {str(tmp_path / "a/b")}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a.csv", "one/b.csv", "one/b.txt", "one/two/c.csv", "three/d.csv"]),
        ("*.csv", ["a.csv"]),
        ("*/*.csv", ["one/b.csv", "three/d.csv"]),
        ("**/*.csv", ["a.csv", "one/b.csv", "one/two/c.csv", "three/d.csv"]),
        ("**", ["a.csv", "one/b.csv", "one/b.txt", "one/two/c.csv", "three/d.csv"]),
        ("o*", ["one/b.csv", "one/b.txt", "one/two/c.csv"]),
        ("**/two/*", ["one/two/c.csv"]),
        ("one/**/*.csv", ["one/b.csv", "one/two/c.csv"]),
        ("[ot]*/?.csv", ["one/b.csv", "three/d.csv"]),
        ("nothing*", []),
        ("nowhere/*", []),
        ("a.csv/*", []),
    ],
)
def test_globs_match_names_and_folders(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    """A folder that matches stands for all below it."""
    for name in ("a.csv", "one/b.csv", "one/b.txt", "one/two/c.csv", "three/d.csv"):
        make(tmp_path / name)

    listing = scan(tmp_path / pattern)

    assert [file.path for file in listing.settled] == [str(tmp_path / name) for name in expected]


def test_what_a_glob_finds_is_named_relative_to_its_fixed_part(tmp_path: Path) -> None:
    """The root ends where the wildcards begin."""
    make(tmp_path / "one/two/c.csv")

    (file,) = scan(tmp_path / "one/*/*.csv").settled

    assert (file.root, file.name) == (str(tmp_path / "one"), "two/c.csv")


def test_what_exists_is_no_glob(tmp_path: Path) -> None:
    """A file whose name has brackets can be named."""
    make(tmp_path / "[x]")
    make(tmp_path / "x")

    assert names(scan(tmp_path / "[x]")) == ["[x]"]


def test_each_path_comes_once(tmp_path: Path) -> None:
    """However often and by whatever way a file is named; the first root counts."""
    make(tmp_path / "a/b")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    listing = scan(tmp_path / "a", tmp_path, tmp_path / "a/b", tmp_path / "**", tmp_path / "link", tmp_path / "link/b")

    assert [(file.path, file.name) for file in listing.settled] == [(str(tmp_path / "a/b"), "b")]
    assert listing.refused == ()


@settings(max_examples=40, deadline=None)
@given(
    tree=st.lists(st.lists(st.sampled_from(["a", "b", ".h"]), min_size=1, max_size=4).map("/".join), max_size=12),
    starts=st.lists(st.sampled_from([".", "a", "a/b", "*", "**/a", "a/*"]), min_size=1, max_size=4),
)
def test_a_walk_finds_what_a_naive_one_finds(tree: list[str], starts: list[str]) -> None:
    """Every visible file below one of the starts, sorted, once."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        (root / "a/b").mkdir(parents=True)
        for path in tree:
            make(root / f"{path}.txt")
        expected = {
            str(path)
            for start in starts
            for top in ([root] if start == "." else root.glob(start))
            for path in (top.rglob("*") if top.is_dir() else [top])
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
        }

        listing = scan(*(root / start for start in starts))

    assert [file.path for file in listing.settled] == sorted(expected)


def test_a_file_settles_when_it_has_rested(tmp_path: Path) -> None:
    """It is settled from `settle_s` after its modification on, and not before."""
    make(tmp_path / "just", modified_at=NOW_S - 2)
    make(tmp_path / "not yet", modified_at=NOW_S - 1.5)

    listing = scan(tmp_path)

    assert names(listing) == ["just"]
    assert [file.name for file in listing.unsettled] == ["not yet"]


def test_a_file_from_the_future_settles_by_being_watched(tmp_path: Path) -> None:
    """When its stamp is of no use, it has to be the same for as long; a change starts that anew."""
    path = make(tmp_path / "file", modified_at=NOW_S + 1000)
    clock = ManualClock(start_s=NOW_S)
    lister = FolderLister([str(tmp_path)], settle_s=2, now=clock.now)

    def settled_after(seconds: float) -> bool:
        clock.advance(seconds)
        return bool(asyncio.run(lister.scan()).settled)

    seen = [settled_after(seconds) for seconds in (0, 1.5, 0.5)]
    make(path, content=b"more", modified_at=NOW_S + 1000)
    seen += [settled_after(seconds) for seconds in (1, 1.5, 0.5)]

    assert seen == [False, False, True, False, False, True]


def test_without_settling_a_file_from_the_future_is_taken_at_once(tmp_path: Path) -> None:
    """`--settle 0` waits for nothing."""
    make(tmp_path / "file", modified_at=NOW_S + 1000)
    lister = FolderLister([str(tmp_path)], settle_s=0, now=lambda: NOW_S)

    assert names(asyncio.run(lister.scan())) == ["file"]


def test_hidden_files_are_counted_and_ignored(tmp_path: Path) -> None:
    """So are hidden folders, each as one; what is named itself is not hidden."""
    make(tmp_path / ".hidden")
    make(tmp_path / ".folder/a")
    make(tmp_path / ".folder/b")
    make(tmp_path / "seen")

    listing = scan(tmp_path, tmp_path / "*")

    assert names(listing) == ["seen"]
    assert listing.ignored == 2
    assert names(scan(tmp_path / ".folder")) == ["a", "b"]


def test_a_link_inside_its_root_lists_its_target_once(tmp_path: Path) -> None:
    """Under the name of the target, also where that is hidden; links to folders are passed over."""
    make(tmp_path / "data/file")
    make(tmp_path / ".versions/7")
    (tmp_path / "again").symlink_to("data/file")
    (tmp_path / "current").symlink_to(".versions/7")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "data/up").symlink_to("../data")

    listing = scan(tmp_path, tmp_path / "**/f*")

    assert names(listing) == [".versions/7", "data/file"]
    assert listing.refused == ()


def test_links_that_lead_out_or_nowhere_are_refused(tmp_path: Path) -> None:
    """To files and to folders, from a walk, a glob and by name."""
    make(tmp_path / "secret/file")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to("../secret/file")
    (root / "folder").symlink_to("../secret")
    (root / "nowhere").symlink_to("gone")
    (root / "self").symlink_to("self")
    (tmp_path / "root-twin").mkdir()
    (root / "twin").symlink_to("../root-twin")

    listing = scan(root, root / "*/file", root / "file")

    assert listing.settled == ()
    out = f"is a symbolic link that leaves {root}"
    assert reasons(listing, root) == {
        "file": out,
        "folder": out,
        "twin": out,
        "nowhere": "is a symbolic link that leads nowhere: No such file or directory",
        "self": "is a symbolic link that leads nowhere: Too many levels of symbolic links",
    }


def test_a_path_that_is_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    """The user may name a folder by a link."""
    make(tmp_path / "data/file")
    (tmp_path / "link").symlink_to("data")

    (file,) = scan(tmp_path / "link").settled

    assert (file.path, file.root) == (str(tmp_path / "data/file"), str(tmp_path / "data"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Named pipes and sockets would make a reader wait."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))

        listing = scan(tmp_path)

    assert reasons(listing, tmp_path) == dict.fromkeys(("pipe", "socket"), "is neither a file nor a folder")


def test_names_that_do_not_fit_on_a_line_of_text_are_refused(tmp_path: Path) -> None:
    """They are shown with escapes, so that the report stays readable."""
    make(tmp_path / "new\nline")
    make(tmp_path / "folder\n/file")
    make(tmp_path / os.fsdecode(b"latin-\xe9"))
    make(tmp_path / "é")

    listing = scan(tmp_path)

    assert names(listing) == ["é"]
    reason = "has a newline or bytes that are not UTF-8 in its path"
    assert reasons(listing, tmp_path) == dict.fromkeys(("new\\nline", "folder\\n/file", "latin-\\xe9"), reason)


def test_what_cannot_be_read_is_refused() -> None:
    """Files, folders, and files in folders that cannot be entered."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        make(root / "fine")
        make(root / "forbidden").chmod(0)
        make(root / "closed/file").parent.chmod(0)
        make(root / "blind/file").parent.chmod(0o444)

        with as_nobody(root):
            listing = scan(root)

    assert names(listing) == ["fine"]
    assert reasons(listing, root) == {
        "forbidden": "cannot be read: Permission denied",
        "closed": "cannot be listed: Permission denied",
        "blind/file": "cannot be looked at: Permission denied",
    }


def test_excluded_folders_are_left_out(tmp_path: Path) -> None:
    """The state and the results may lie among the files; links to them are passed over too."""
    make(tmp_path / "file")
    make(tmp_path / "out/merged")
    make(tmp_path / "outer/file")
    (tmp_path / "link").symlink_to("out/merged")

    listing = scan(tmp_path, tmp_path / "out", tmp_path / "*/merged", exclude=(str(tmp_path / "out"),))

    assert names(listing) == ["file", "outer/file"]
    assert listing.refused == ()


def test_nothing_but_excluded_folders_is_an_error(tmp_path: Path) -> None:
    """Otherwise a run would do nothing and say that all is well."""
    make(tmp_path / "out/file")

    with pytest.raises(SourceError, match="lies in a folder that Millstream itself writes to; name another"):
        scan(tmp_path / "out", exclude=(str(tmp_path),))


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    """It is more likely a typing error than an empty night."""
    make(tmp_path / "file")

    with pytest.raises(SourceError, match=r"missing: No such file or directory; check the path"):
        scan(tmp_path, tmp_path / "missing")


def test_the_common_root_holds_every_root(tmp_path: Path) -> None:
    """Relative to it, names of files from several roots differ."""
    make(tmp_path / "a/b/x")
    make(tmp_path / "a/c/x")

    def root_of(*names: str) -> str:
        return common_root([str(tmp_path / name) for name in names])

    assert root_of("a/b") == str(tmp_path / "a/b")
    assert root_of("a/b", "a/c") == str(tmp_path / "a")
    assert root_of("a/b/x") == str(tmp_path / "a/b")
    assert root_of("a/b/*", "a/c/x") == str(tmp_path / "a")
