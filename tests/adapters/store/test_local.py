"""A folder as a store: what a conformance suite cannot know of it."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from millstream.adapters.store import LocalStore
from millstream.errors import (
    ObjectChangedError,
    ObjectMissingError,
    ObjectRefusedError,
    StoreUnavailableError,
)

SECRET = b"secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A container beside something that is none of its business."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "data.csv").write_bytes(SECRET)
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


def read_all(store: LocalStore, name: str) -> bytes:
    """Read a file by all ways at once."""
    version = store.head(name).version
    data = store.read(name, version=version, start=0, end=1 << 20)
    assert data == b"".join(store.stream(name, version=version))
    return data


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_a_link_is_no_file(folder: Path) -> None:
    """Neither one that leads out nor one that stays inside, wherever it stands in a name."""
    (folder / "real").mkdir()
    (folder / "real" / "data.csv").write_bytes(b"1")
    (folder / "out.csv").symlink_to(folder.parent / "outside" / "data.csv")
    (folder / "in.csv").symlink_to(folder / "real" / "data.csv")
    (folder / "gone.csv").symlink_to(folder / "nothing")
    (folder / "out").symlink_to(folder.parent / "outside")
    (folder / "in").symlink_to(folder / "real")
    store = LocalStore(folder)

    for name in ("out.csv", "in.csv", "gone.csv", "out/data.csv", "in/data.csv"):
        with pytest.raises(ObjectRefusedError, match="link"):
            store.head(name)
    for name in ("out/new.csv", "in/new.csv"):
        with pytest.raises(ObjectRefusedError, match="link"):
            store.put(name, [b"1"])
        with pytest.raises(ObjectRefusedError, match="link"):
            store.delete(name)
    assert [found.name for found in store.list()] == ["real/data.csv"]
    assert names_in(folder.parent / "outside") == ["data.csv"]


def test_a_link_is_replaced_and_removed_but_not_followed(folder: Path) -> None:
    """Writing under the name of a link takes its place; what it led to stays as it was."""
    target = folder.parent / "outside" / "data.csv"
    (folder / "a.csv").symlink_to(target)
    (folder / "b.csv").symlink_to(target)
    store = LocalStore(folder)

    store.put("a.csv", [b"new"])
    store.delete("b.csv")

    assert read_all(store, "a.csv") == b"new"
    assert not (folder / "b.csv").is_symlink()
    assert target.read_bytes() == SECRET


def test_links_that_are_swapped_in_lead_nowhere(folder: Path) -> None:
    """While somebody exchanges folder and file for links, all the time, no read ever returns what is outside."""
    (folder / "sub").mkdir()
    (folder / "sub" / "data.csv").write_bytes(b"inside")
    (folder / "link").symlink_to(folder.parent / "outside")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for source, target in (("sub", "kept"), ("link", "sub"), ("sub", "link"), ("kept", "sub")):
                (folder / source).rename(folder / target)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = set()
    store = LocalStore(folder)
    try:
        for _ in range(3000):
            with suppress(ObjectRefusedError, ObjectMissingError, ObjectChangedError):
                seen.add(read_all(store, "sub/data.csv"))
            seen.update(found.size_bytes.to_bytes() for found in store.list() if found.name == "sub/data.csv")
    finally:
        ended.set()
        swapping.join()

    assert SECRET not in seen
    assert b"inside" in seen


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    """It is the operator's."""
    (folder / "data.csv").write_bytes(b"1")
    (folder.parent / "link").symlink_to(folder)

    assert read_all(LocalStore(folder.parent / "link"), "data.csv") == b"1"


def test_special_files_are_refused(folder: Path) -> None:
    """A pipe without a writer holds nobody up, and a folder is no file."""
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    store = LocalStore(folder)

    for name in ("pipe", "sub"):
        with pytest.raises(ObjectRefusedError):
            store.head(name)
        with pytest.raises(ObjectRefusedError):
            store.read(name, version="1", start=0, end=1)
    with pytest.raises(ObjectRefusedError):
        store.put("sub", [b"1"])
    with pytest.raises(ObjectRefusedError):
        store.delete("sub")
    assert list(store.list()) == []
    assert names_in(folder) == ["pipe", "sub"]


def test_what_is_hidden_or_unspeakable_is_not_listed(folder: Path) -> None:
    """Nor is what a put left behind that was killed."""
    for name in (b".hidden", b"new\nline", b"\xff\xfe", b"back\\slash", b"good"):
        (folder / os.fsdecode(name)).write_bytes(b"1")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_bytes(b"1")

    assert [found.name for found in LocalStore(folder).list()] == ["good"]


def test_a_change_of_one_byte_is_another_version(folder: Path) -> None:
    """In place, of the same size, as soon as the clock of the file system moved."""
    path = folder / "data.csv"
    path.write_bytes(b"before")
    os.utime(path, ns=(1, 1))
    store = LocalStore(folder)
    version = store.head("data.csv").version
    with path.open("r+b") as file:
        file.write(b"B")

    with pytest.raises(ObjectChangedError):
        store.read("data.csv", version=version, start=0, end=6)


def test_a_file_that_grows_while_it_is_streamed_is_noticed(folder: Path) -> None:
    """Before another piece is handed out."""
    path = folder / "data.csv"
    path.write_bytes(b"x" * 100)
    store = LocalStore(folder)
    stream = store.stream("data.csv", version=store.head("data.csv").version, piece_bytes=10)
    next(stream)
    with path.open("ab") as file:
        file.write(b"more")

    with pytest.raises(ObjectChangedError):
        next(stream)


def test_nobody_sees_half_a_file(folder: Path) -> None:
    """While it is written, and after that failed, the folder shows nothing of it."""
    store = LocalStore(folder)
    seen = []

    def pieces():
        yield b"x"
        seen.append(list(store.list()))
        raise FileNotFoundError("the source")

    with pytest.raises(FileNotFoundError, match="the source"):
        store.put("a/data.csv", pieces())

    assert seen == [[]]
    assert names_in(folder / "a") == []


def test_a_folder_that_is_not_there_is_unavailable(folder: Path) -> None:
    """It may be a disk that is not mounted yet."""
    store = LocalStore(folder / "later")

    for ask in (lambda: store.head("x"), lambda: list(store.list()), lambda: store.put("x", [b"1"])):
        with pytest.raises(StoreUnavailableError, match="later"):
            ask()
