"""Keep the state of an admission in the note of a bookmark.

Theory of operation: a note is ASCII text of at most 4095 characters: its version, the settings that a user may change
and a checksum of all of them in the clear, then the numbers in base 85. Numbers are differences to the one before, as
bytes of seven bits each, the smallest first (zigzag, so that small negative ones are short); hashes are eight bytes.
In the worst case that is 27 bytes for each of 100 frames that wait and 6 for each of 63 times: about 3,900 characters.
"""

from base64 import b85decode, b85encode
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import accumulate, pairwise
from zlib import crc32

from millstream.counting.admission.clock import ClockSettings
from millstream.counting.admission.pending import Waiting
from millstream.counting.windows.calendar import Calendar
from millstream.errors import NoteRefusedError

VERSION = "1"
_USER_BYTES = 8
_SEVEN_BITS = 0x7F
_MORE = 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a note was written under, and must be read under."""

    settings: ClockSettings
    grace_s: int
    calendar: Calendar

    @property
    def header(self) -> str:
        """The beginning of a note, without its numbers."""
        everything = repr((astuple(self.settings), self.grace_s, self.calendar.identity))
        return f"{VERSION}:{self.settings.lateness_s}:{self.grace_s}:{crc32(everything.encode()):08x}"

    def check(self, header: str) -> None:
        """Raise NoteRefusedError unless a note with that beginning may be read."""
        if header == self.header:
            return
        if not header.startswith(f"{VERSION}:"):
            raise NoteRefusedError(expected=f"version {VERSION}", found=repr(header[:40]))
        expected, found = (text.split(":") for text in (self.header, header))
        raise NoteRefusedError(expected=_named(expected), found=_named(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that an admission must remember between two frames.

    `arrived` counts the plausible frames of the block at hand; waiting frames are numbered so that it continues them,
    those of earlier blocks below zero.
    """

    ring: Sequence[int]
    live: int | None
    judging: int | None
    arrived: int
    waiting: Sequence[Waiting]


def write(state: State, *, terms: Terms) -> str:
    """The note, at most 4095 ASCII characters."""
    ages = [state.arrived - frame.arrived for frame in state.waiting]
    numbers = [
        *_optional(state.live),
        *_optional(state.judging),
        state.arrived,
        len(state.ring),
        *_differences(state.ring),
        len(state.waiting),
        *_differences(ages),
        *_differences([frame.time for frame in state.waiting]),
        *_differences([frame.position for frame in state.waiting]),
    ]
    users = b"".join(frame.user.to_bytes(_USER_BYTES, "little") for frame in state.waiting)
    return f"{terms.header}:{b85encode(_packed(numbers) + users).decode()}"


def read(note: str, *, terms: Terms) -> State:
    """The state that was written; raises NoteRefusedError for a note under other terms, and for what is none."""
    header, _, text = note.rpartition(":")
    terms.check(header)
    try:
        return _state(b85decode(text))
    except (ValueError, IndexError, StopIteration):
        raise NoteRefusedError(expected="a whole clock", found=f"a damaged note of {len(note)} characters") from None


def _state(data: bytes) -> State:
    numbers = _Numbers(data)
    live, judging, arrived = numbers.optional(), numbers.optional(), numbers.one()
    ring = numbers.run(numbers.one())
    count = numbers.one()
    ages, times, positions = numbers.run(count), numbers.run(count), numbers.run(count)
    hashes = data[numbers.place :]
    if len(hashes) != count * _USER_BYTES:
        raise ValueError(len(hashes))
    users = (int.from_bytes(hashes[at : at + _USER_BYTES], "little") for at in range(0, len(hashes), _USER_BYTES))
    waiting = [
        Waiting(arrived - age, time, user, position)
        for age, time, user, position in zip(ages, times, users, positions, strict=True)
    ]
    return State(ring=ring, live=live, judging=judging, arrived=arrived, waiting=waiting)


class _Numbers:
    """Reads numbers one after the other; `place` is the byte after the last one."""

    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def one(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self.place]
            self.place += 1
            value |= (byte & _SEVEN_BITS) << shift
            shift += 7
            if byte < _MORE:
                return (value >> 1) ^ -(value & 1)

    def optional(self) -> int | None:
        there = self.one()
        return self.one() if there else None

    def run(self, count: int) -> list[int]:
        return list(accumulate(self.one() for _ in range(count)))


def _packed(numbers: Sequence[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        value = (number << 1) if number >= 0 else ((-number << 1) - 1)
        while value > _SEVEN_BITS:
            out.append(value & _SEVEN_BITS | _MORE)
            value >>= 7
        out.append(value)
    return bytes(out)


def _optional(number: int | None) -> tuple[int, ...]:
    return (0,) if number is None else (1, number)


def _differences(numbers: Sequence[int]) -> Iterator[int]:
    return (after - before for before, after in pairwise((0, *numbers)))


def _named(header: Sequence[str]) -> str:
    """For a person: what a header says."""
    match header:
        case [_, lateness, grace, rules]:
            return f"lateness {lateness} s, grace {grace} s, clock and zone rules {rules}"
    return f"{':'.join(header)[:40]!r}"
