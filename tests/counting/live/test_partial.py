"""Delta records: what goes in comes out, in pieces that a broker takes."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.live.partial import PAYLOAD_BYTES, VERSION, Report, pack, unpack
from millstream.counting.model import ALL_SIZES, Delta
from millstream.errors import DeltaRecordError

REPORT = Report(
    partition=3,
    first=10,
    to=20,
    end=25,
    watermark=1_468_244_384,
    caught_up=False,
    idle_until_s=None,
    silent_since_s=1.5,
    at_s=2.5,
    totals=(5, 1, 1, 2, 0),
)

deltas = st.builds(
    lambda minute, users, frames, counted, late: Delta(
        minute=minute * 60, users=np.array(users, dtype=np.uint64), frames=frames, counted=counted, late=late
    ),
    st.integers(0, 10**9),
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
    st.integers(0, 10**6),
    st.integers(1, ALL_SIZES),
    st.integers(0, ALL_SIZES),
)


def read(payloads: list[bytes]):
    return [unpack(payload, partition=3, offset=offset) for offset, payload in enumerate(payloads)]


@given(st.lists(deltas, max_size=8), st.integers(1, 400))
def test_pieces_add_up(given_deltas: list[Delta], limit_bytes: int):
    """However small the pieces: users come in order, frames count once, flags stay, the report comes last."""
    found = read(pack(REPORT, deltas=given_deltas, identity="rules", limit_bytes=limit_bytes))

    assert [one.report for one in found] == [None] * (len(found) - 1) + [REPORT]
    assert {one.identity for one in found} == {"rules"}
    pieces = [delta for one in found for delta in one.deltas]
    for delta in given_deltas:
        users: list[int] = []
        frames = 0
        while True:
            piece = pieces.pop(0)
            assert (piece.minute, piece.counted, piece.late) == (delta.minute, delta.counted, delta.late)
            users += piece.users.tolist()
            frames += piece.frames
            if len(users) >= len(delta.users):
                break
        assert (users, frames) == (delta.users.tolist(), delta.frames)
    assert not pieces


def test_a_payload_is_smaller_than_what_a_broker_takes():
    """A million users of one minute, and many small minutes, are cut below a million bytes."""
    many = [Delta(minute=0, users=np.arange(1_000_000, dtype=np.uint64), frames=1)]
    small = [Delta(minute=60 * n, users=np.arange(1, dtype=np.uint64), frames=1) for n in range(100_000)]

    payloads = pack(REPORT, deltas=many + small, identity="rules")

    assert max(map(len, payloads)) < 1_000_000
    assert len(payloads) >= 8_000_000 // PAYLOAD_BYTES


def test_the_totals_have_names():
    """The counts of a report in the order in which they travel."""
    totals = REPORT.counts()

    assert (totals.frames, totals.rejected, totals.quarantined, totals.late, totals.dropped) == (5, 1, 1, 2, 0)


@pytest.mark.parametrize(
    "payload", [b"", b"\x00", b"{}", b"\x93\x01\xa1x\x90", msgspec.msgpack.encode([VERSION, "x", 3])]
)
def test_a_damaged_record_is_named(payload: bytes):
    """The error says where it is."""
    with pytest.raises(DeltaRecordError, match="partition 3, offset 7"):
        unpack(payload, partition=3, offset=7)


def test_users_of_a_strange_length_are_refused():
    """Hashes have eight bytes."""
    payload = msgspec.msgpack.encode([VERSION, "x", [[0, 1, 1, 0, b"123"]], None])

    with pytest.raises(DeltaRecordError, match="partition 3, offset 7"):
        unpack(payload, partition=3, offset=7)


def test_a_record_of_another_version_is_refused():
    """Whatever else is in it."""
    payload = msgspec.msgpack.encode([VERSION + 1, {"new": "things"}])

    with pytest.raises(DeltaRecordError, match=f"of version {VERSION + 1}"):
        unpack(payload, partition=3, offset=7)
