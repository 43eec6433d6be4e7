"""A folder obeys the conformance suite of sinks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from millstream.adapters.partfile import JoinedFolder, PartFolder
from millstream.ports.sink import Published
from millstream.testing.sink_suite import MESSAGE_ID, Promises, SinkSuite


class Folder:
    """A folder whose parts are joined in the order in which the ledger would give them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sink(self) -> PartFolder:
        return PartFolder(self.path)

    def seen(self, committed: Sequence[Published]) -> list[bytes]:
        joined = JoinedFolder(self.path)
        count, size_bytes = joined.append(MESSAGE_ID, receipts=[each.receipt for each in committed], at=0)
        joined.finish(MESSAGE_ID, size_bytes=size_bytes)
        joined.close()
        assert count == len(committed)
        return (self.path / f"{MESSAGE_ID}.jsonl").read_bytes().splitlines()


class TestPartFolder(SinkSuite):
    promises = Promises(whole=True, once=True)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path

    @contextmanager
    def outlet(self) -> Iterator[Folder]:
        yield Folder(self.path / "out")
