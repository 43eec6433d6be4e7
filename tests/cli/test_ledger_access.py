"""How commands get at a state folder: at once, or with a clear reason why not."""

import asyncio

import pytest

from millstream.cli.ledger_access import open_ledger
from millstream.cli.place import Place
from millstream.core.operations import SetMeta
from millstream.core.queries import ReadMeta
from millstream.errors import MillstreamError


def test_a_full_disk_is_told_and_changes_nothing(mill) -> None:
    """An engine waits for room, but a person at a terminal gets an error and can try again."""

    async def write() -> str | None:
        async with open_ledger(Place(folder=str(mill.folder))) as ledger:
            ledger._db.execute("PRAGMA max_page_count = 1")  # as small as it is, so that the next page does not fit
            with pytest.raises(
                MillstreamError, match=r"^state: nothing was changed: .* full; make room and try again$"
            ):
                await ledger.do(SetMeta(key="large", value="x" * 100_000))
            return await ledger.read(ReadMeta(key="large"))

    assert asyncio.run(write()) is None
