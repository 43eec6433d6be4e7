"""Records by their key: nothing lost, nothing out of order, whatever the pieces that a log is read in."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from millstream.runtime.keyed import grouped, positions, replayed
from millstream.testing.faults import MemorySpool

KEYS = [None, "a", "b"]
RECORDS = st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=5).filter(lambda data: b"\n" not in data)))


@given(RECORDS)
def test_grouping_keeps_every_record(block: list[tuple[str | None, bytes]]) -> None:
    """Each key has its records in their order, and keys come in the order of their first record."""
    keys, records = [key for key, _ in block], [record for _, record in block]

    groups = grouped(records, keys)

    assert groups == {key: [record for own, record in block if own == key] for key in keys}
    assert list(groups) == list(dict.fromkeys(keys))


@given(RECORDS, st.integers(0, 100))
def test_positions_are_those_of_the_log(block: list[tuple[str | None, bytes]], start: int) -> None:
    """A record of a key is read at its position."""
    log = bytes(start) + b"".join(record + b"\n" for _, record in block)
    keys, records = [key for key, _ in block], [record for _, record in block]

    for wanted in KEYS:
        found = positions(records, keys, wanted, start=start)

        assert [log[at:].partition(b"\n")[0] for at in found] == [record for key, record in block if key == wanted]


@given(RECORDS, RECORDS, st.integers(1, 20))
def test_a_log_is_replayed(
    before: list[tuple[str | None, bytes]], block: list[tuple[str | None, bytes]], segment_bytes: int
) -> None:
    """From where it is asked for: each record once, in order, with its position, wherever the log is divided."""
    start = sum(len(record) + 1 for _, record in before)
    keys = {position: key for (key, _), (position, _) in zip(block, placed(block, start), strict=True)}
    asked = iter(keys.values())
    spool = MemorySpool(segment_bytes=segment_bytes)
    spool.recover("main", 0)
    for _, record in (*before, *block):
        spool.append("main", record + b"\n")
    asyncio.run(spool.sync())
    end = start + sum(len(record) + 1 for _, record in block)

    found = list(replayed(spool, "main", start=start, end=end, key_reader=lambda some: [next(asked) for _ in some]))

    assert found == [(at, keys[at], record + b"\n") for at, record in placed(block, start)]


def placed(block: list[tuple[str | None, bytes]], start: int) -> list[tuple[int, bytes]]:
    """Each record with its position in a log."""
    places = []
    for _, record in block:
        places.append((start, record))
        start += len(record) + 1
    return places
