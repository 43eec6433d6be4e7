"""What stage 1 tells the merger: the wire format of delta records.

Theory of operation: one commit of one partition is one *report* (how far it read, its watermark, what it left out)
and the deltas that belong to it. They are cut into payloads that a broker accepts; the report rides in the last one, so
that a watermark never comes before a frame which it could close out. A payload starts with the version of the format
and says which hash, zone and bounds made it, because sets of different hashes must never be joined.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from millstream.counting.model import Delta, Totals
from millstream.errors import DeltaRecordError

VERSION = 1
PAYLOAD_BYTES = 900_000
"""Bytes of users in one payload: with the rest below the 1,000,000 that a broker takes unless told otherwise."""

_USER_BYTES = 8


class Report(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How far stage 1 is with a partition.

    `first` is the offset after which this report counts, `to` the next one to be read, `end` the end of the partition
    as far as is known. `watermark` is in Unix seconds of event time, None before there is one. `idle_until_s` makes the
    partition idle until that moment of wall-clock time (a promise that is renewed while it holds: a reader that is gone
    can promise nothing); None when it is not idle. `silent_since_s` is when the last frame came, `at_s` when the report
    was made, both in wall-clock seconds. `totals` are frames, rejected, quarantined, late and dropped since the last
    report.
    """

    partition: int
    first: int
    to: int
    end: int
    watermark: int | None
    caught_up: bool
    idle_until_s: float | None
    silent_since_s: float
    at_s: float
    totals: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    def counts(self) -> Totals:
        """The totals by name."""
        return named(self.totals)


def named(totals: tuple[int, int, int, int, int]) -> Totals:
    """Totals as they travelled in a report, by name."""
    frames, rejected, quarantined, late, dropped = totals
    return Totals(frames=frames, rejected=rejected, quarantined=quarantined, late=late, dropped=dropped)


def totals_of(totals: Totals) -> tuple[int, int, int, int, int]:
    """Totals as they travel in a report."""
    return (totals.frames, totals.rejected, totals.quarantined, totals.late, totals.dropped)


class _Portion(msgspec.Struct, frozen=True, array_like=True):
    minute: int
    frames: int
    counted: int
    late: int
    users: bytes


class _Versioned(msgspec.Struct, frozen=True, array_like=True):
    """The part of a payload that stays as it is in all versions."""

    version: int


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    version: int
    identity: str
    portions: list[_Portion]
    report: Report | None


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """One delta record, read: its deltas, and the report when it is the last record of a commit."""

    identity: str
    deltas: Sequence[Delta]
    report: Report | None


_encoder = msgspec.msgpack.Encoder()
_version_decoder = msgspec.msgpack.Decoder(_Versioned)
_decoder = msgspec.msgpack.Decoder(_Payload)


def pack(report: Report, *, deltas: Sequence[Delta], identity: str, limit_bytes: int = PAYLOAD_BYTES) -> list[bytes]:
    """The payloads of one commit of one partition, to be written in this order; at least one.

    A delta that is cut keeps its frames and lateness in its first piece, so that adding up is right.
    """
    payloads: list[bytes] = []
    portions: list[_Portion] = []
    room = limit_bytes
    for delta in _cut(deltas, most=max(1, limit_bytes // _USER_BYTES)):
        if len(delta.users) * _USER_BYTES > room and portions:
            payloads.append(_encoder.encode(_Payload(VERSION, identity, portions, None)))
            portions, room = [], limit_bytes
        users = delta.users.astype("<u8", copy=False).tobytes()
        portions.append(_Portion(delta.minute, delta.frames, delta.counted, delta.late, users))
        # A portion without users costs bytes, too: many minutes of few users must not make one payload of megabytes.
        room -= len(users) + 2 * _USER_BYTES
    payloads.append(_encoder.encode(_Payload(VERSION, identity, portions, report)))
    return payloads


def unpack(payload: bytes, *, partition: int, offset: int) -> Partial:
    """Read a payload; `partition` and `offset` are where it was found, for the message.

    Raises:
        DeltaRecordError: it is damaged, or of another version.
    """
    try:
        found = _version_decoder.decode(payload).version
        if found != VERSION:
            raise DeltaRecordError(partition=partition, offset=offset, reason=f"it is of version {found}")
        read = _decoder.decode(payload)
        deltas = [_delta(portion) for portion in read.portions]
    except (msgspec.MsgspecError, ValueError) as error:
        raise DeltaRecordError(partition=partition, offset=offset, reason=str(error)) from None
    return Partial(identity=read.identity, deltas=deltas, report=read.report)


def _cut(deltas: Sequence[Delta], *, most: int) -> Iterator[Delta]:
    for delta in deltas:
        if len(delta.users) <= most:
            yield delta
            continue
        for start in range(0, len(delta.users), most):
            users = delta.users[start : start + most]
            yield replace(delta, users=users, frames=delta.frames if start == 0 else 0)


def _delta(portion: _Portion) -> Delta:
    users = np.frombuffer(portion.users, dtype="<u8")
    return Delta(minute=portion.minute, users=users, frames=portion.frames, counted=portion.counted, late=portion.late)
