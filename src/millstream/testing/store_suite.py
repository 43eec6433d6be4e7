"""What every store must do, as pytest tests: a store of yours is right when a subclass of `StoreSuite` passes.

    class TestMyStore(StoreSuite):
        @contextmanager
        def container(self):
            with TemporaryDirectory() as folder:
                yield lambda read_only: MyStore(folder, read_only=read_only)

The suite needs pytest. For asserts that show their values, call
`pytest.register_assert_rewrite("millstream.testing.store_suite")` in a `conftest.py`.
"""

# ruff: noqa: S101 - a suite asserts

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Protocol

import pytest

from millstream.core.container import LONGEST_NAME_BYTES
from millstream.errors import ObjectChangedError, ObjectMissingError, ObjectRefusedError
from millstream.ports.store import Store

NAMES = ("data.csv", "a/b/c.csv", "mit Leerzeichen.csv", "Größe/数据.jsonl", "e\u0301.csv", "50%20off#1?x=y&z+~*.csv")
"""Names that are kept as they are."""

REFUSED = (
    "",
    ".",
    "..",
    "../data.csv",
    "a/../../data.csv",
    "a/./data.csv",
    "/data.csv",
    "/etc/hostname",
    "a//data.csv",
    "a/",
    "a\\data.csv",
    "..\\data.csv",
    ".hidden",
    "a/.hidden/data.csv",
    "a\0b",
    "a\nb",
    "a\x1bb",
    "a\x7fb",
    "a\u202eb",
    "\udc80",
    "n" * (LONGEST_NAME_BYTES + 1),
    "é" * LONGEST_NAME_BYTES,
)
"""Names that no file has."""

NEAR_S = 600.0
CLOCK_MOVES_S = 0.02
"""After this, a file that is written has another time than before, on every file system."""


class MakeStore(Protocol):
    """Opens the one container again, as another process would."""

    def __call__(self, *, read_only: bool = False) -> Store:
        """Open it."""
        ...


class StoreSuite:
    """The conformance suite of ports.Store; override `container`."""

    def container(self) -> AbstractContextManager[MakeStore]:
        """A new, empty container."""
        raise NotImplementedError

    @contextmanager
    def store(self, *, read_only: bool = False) -> Iterator[Store]:
        """A store on a new container."""
        with self.container() as make, closing(make(read_only=read_only)) as store:
            yield store

    @pytest.mark.parametrize("name", NAMES)
    def test_what_was_put_is_read(self, name: str) -> None:
        """Bytes come back under their name, with their size and a version, however they were cut when they came."""
        with self.store() as store:
            put = store.put(name, iter([b"first,", b"", b"second"]))
            head = store.head(name)

            assert put == head
            assert (head.name, head.size_bytes) == (name, 12)
            assert abs(head.modified_at - time.time()) < NEAR_S
            assert store.read(name, version=head.version, start=0, end=12) == b"first,second"
            assert b"".join(store.stream(name, version=head.version)) == b"first,second"
            assert list(store.list()) == [head]

    def test_another_process_finds_it(self) -> None:
        """What was put is there for whoever opens the container again, at the same address."""
        with self.container() as make:
            with closing(make()) as first:
                put = first.put("data.csv", [b"1"])
            with closing(make()) as second:
                assert second.head("data.csv") == put
                assert second.address == first.address != ""

    def test_ranges_are_exact(self) -> None:
        """A range has its bytes and no others; behind the end there are none."""
        data = bytes(range(256)) * 4
        with self.store() as store:
            version = store.put("data", [data]).version

            for start, end in ((0, 1), (10, 20), (1000, 1024), (1000, 5000), (0, 10**12)):
                assert store.read("data", version=version, start=start, end=end) == data[start:end]
            for start, end in ((1024, 2000), (5000, 6000), (7, 7), (2000, 2000)):
                assert store.read("data", version=version, start=start, end=end) == b""

    def test_a_stream_begins_where_it_is_told_to(self) -> None:
        """Pieces are not longer than asked for, and none are empty."""
        data = bytes(range(256)) * 4
        with self.store() as store:
            version = store.put("data", [data]).version

            for start in (0, 1, 1000, 1023):
                pieces = list(store.stream("data", version=version, start=start, piece_bytes=100))
                assert b"".join(pieces) == data[start:]
                assert {0} < {len(piece) for piece in pieces} | {0} <= set(range(101))
                assert b"" not in pieces
            assert list(store.stream("data", version=version, start=1024)) == []

    def test_a_large_file_is_whole(self) -> None:
        """Files of many windows and parts come back byte for byte, in one range and in pieces."""
        block = bytes(range(256)) * 4096
        with self.store() as store:
            version = store.put("data", (block[number:] + block[:number] for number in range(40))).version
            whole = b"".join(store.stream("data", version=version))

            assert whole == b"".join(block[number:] + block[:number] for number in range(40))
            assert store.read("data", version=version, start=5, end=len(whole)) == whole[5:]

    def test_an_empty_file_is_a_file(self) -> None:
        """It has a version, no bytes, and is listed."""
        with self.store() as store:
            put = store.put("empty", [])

            assert put == store.head("empty")
            assert put.size_bytes == 0
            assert store.read("empty", version=put.version, start=0, end=10) == b""
            assert list(store.stream("empty", version=put.version)) == []
            assert list(store.list()) == [put]

    def test_another_version_is_not_read(self) -> None:
        """Who has begun a file gets bytes of that version or an error, whatever range is asked for."""
        with self.store() as store:
            before = store.put("data", [b"before"])
            time.sleep(CLOCK_MOVES_S)
            after = store.put("data", [b"after!"])

            assert before.version != after.version
            for start, end in ((0, 6), (2, 3), (6, 9), (3, 3), (0, 100_000_000)):
                with pytest.raises(ObjectChangedError) as raised:
                    store.read("data", version=before.version, start=start, end=end)
                assert raised.value.expected == before.version
                assert raised.value.found == after.version
            with pytest.raises(ObjectChangedError):
                list(store.stream("data", version=before.version))

    def test_a_file_that_changes_while_it_is_streamed_is_noticed(self) -> None:
        """A stream ends with an error, or had taken hold of the old bytes; it never mixes two versions."""
        size = 40 << 20
        with self.store() as store:
            version = store.put("data", [b"a" * size]).version
            stream = store.stream("data", version=version)
            pieces = [next(stream)]
            time.sleep(CLOCK_MOVES_S)
            store.put("data", [b"b" * size])
            try:
                pieces += stream
            except ObjectChangedError:
                pass
            else:
                assert sum(map(len, pieces)) == size

            assert set(b"".join(pieces)) == set(b"a")

    def test_what_is_not_there_is_missing(self) -> None:
        """Every way to ask for a file that is not there says so."""
        with self.store() as store:
            for name in ("data.csv", "a/b/data.csv"):
                with pytest.raises(ObjectMissingError, match=r"data\.csv"):
                    store.head(name)
                with pytest.raises(ObjectMissingError):
                    store.read(name, version="1", start=0, end=1)
                with pytest.raises(ObjectMissingError):
                    list(store.stream(name, version="1"))
                store.delete(name)
            assert list(store.list()) == []

    def test_what_lies_below_a_file_is_missing(self) -> None:
        """A file is no folder, and a folder no file."""
        with self.store() as store:
            store.put("a/data.csv", [b"1"])

            with pytest.raises((ObjectMissingError, ObjectRefusedError)):
                store.head("a")
            with pytest.raises(ObjectMissingError):
                store.head("a/data.csv/more")

    @pytest.mark.parametrize("name", REFUSED)
    def test_no_name_leads_out(self, name: str) -> None:
        """Names that could lead elsewhere are refused by every method, before anything is touched."""
        with self.store() as store:
            for ask in (
                lambda: store.head(name),
                lambda: store.read(name, version="1", start=0, end=1),
                lambda: list(store.stream(name, version="1")),
                lambda: store.put(name, [b"1"]),
                lambda: store.delete(name),
            ):
                with pytest.raises(ObjectRefusedError):
                    ask()
            assert list(store.list()) == []

    def test_names_are_listed_in_order(self) -> None:
        """All names that start with a prefix, by their characters, however many and deep."""
        names = ["a", "a.csv", "a/b", "a/c/d", "a0", "ab/c", "b", "é", "ü/1", "一"]
        with self.store() as store:
            for name in reversed(names):
                if name != "a":
                    store.put(name, [name.encode()])
            names.remove("a")

            assert [found.name for found in store.list()] == sorted(names)
            for prefix in ("a", "a/", "a/c", "a/c/", "a/c/d", "ab", "z", "ü/", "a."):
                found = list(store.list(prefix))
                assert [each.name for each in found] == sorted(name for name in names if name.startswith(prefix))
                assert found == [store.head(each.name) for each in found]

    def test_putting_replaces_as_a_whole(self) -> None:
        """A second file of the same name takes the place of the first, and one that fails leaves it as it was."""

        def broken() -> Iterator[bytes]:
            yield b"x" * (20 << 20)
            raise ConnectionResetError("the source broke off")

        with self.store() as store:
            store.put("data", [b"first"])
            second = store.put("data", [b"the second"])
            with pytest.raises(ConnectionResetError, match="broke off"):
                store.put("data", broken())
            with pytest.raises(ConnectionResetError):
                store.put("other", broken())

            assert store.head("data") == second
            assert store.read("data", version=second.version, start=0, end=99) == b"the second"
            assert list(store.list()) == [second]

    def test_deleting_twice_is_fine(self) -> None:
        """A file that was deleted is gone; its neighbours are not."""
        with self.store() as store:
            store.put("a/one", [b"1"])
            two = store.put("a/two", [b"2"])

            store.delete("a/one")
            store.delete("a/one")

            assert list(store.list()) == [two]

    def test_a_container_that_is_only_read_is_not_written(self) -> None:
        """Putting and deleting are refused, and change nothing."""
        with self.container() as make, closing(make()) as writer, closing(make(read_only=True)) as reader:
            put = writer.put("data", [b"1"])

            with pytest.raises(ObjectRefusedError, match="only read"):
                reader.put("data", [b"2"])
            with pytest.raises(ObjectRefusedError, match="only read"):
                reader.delete("data")
            assert list(reader.list()) == [put]
            assert reader.read("data", version=put.version, start=0, end=9) == b"1"

    def test_closing_twice_is_fine(self) -> None:
        """A store may be closed more than once, and unused."""
        with self.container() as make:
            store = make()
            store.close()
            store.close()
