"""What is saved of open windows, as keys and values.

Theory of operation: `windows` holds the rules of the count and its watermark. `hour:1468242000` holds a few numbers of
a window, `hour:1468242000#0`, `#1` ... its users in the order in which they were new to it, each written once, and
`hour:1468242000#sketch` stands in their place once it is a sketch. Numbers and users are written in one transaction, so
the numbers say which keys there must be. A key is forgotten when its window is final.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from millstream.counting.model import Size, Status, Users, Window
from millstream.counting.windows.distinct import HASH_ID, SKETCH_ID, Portion
from millstream.counting.windows.openwindow import OpenWindow, Standing
from millstream.errors import CountStateError, IdentityError

HEAD_KEY = "windows"
SAVED_AS: dict[str, str] = {"saved as": "windows-1", "hash": HASH_ID, "sketch": SKETCH_ID}
"""The form of what is saved."""
Change = tuple[str, bytes | None]

_CHUNK_USERS = 112_500
"""900 kB; a record of a log may have 1 MB."""
_SIZE_NAMES = frozenset(size.value for size in Size)
_HASHES = np.dtype("<u8")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all windows; `whole` says that the minutes' users are there, so that nothing is replayed."""

    rules: dict[str, str]
    watermark: int | None
    finished: bool
    refused: int
    whole: bool


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What is saved of a window beside its users, and how many keys those have."""

    end: int
    status: Status | None
    revision: int
    frames: int
    late: int
    changed: bool
    chunks: int
    sketched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A window as it was saved, and the keys of its users: so many chunks, or a sketch."""

    standing: Standing
    chunks: int
    sketched: bool
    portions: tuple[Portion, ...]


_Value = TypeVar("_Value", Head, Numbers)


def news_of(window: OpenWindow, *, with_users: bool) -> Iterator[Change]:
    """What is to be written about a window since the last call, which is taken for written."""
    portion = window.users.fresh() if with_users else None
    if portion is None and not window.unsaved:
        return
    if portion is not None:
        yield from _users_news(window, portion)
    window.saved = (window.touched, window.revision)
    yield window.window.key, _encoded(window, chunks=window.chunks, sketched=window.sketched)


def whole_of(window: OpenWindow) -> Iterator[tuple[str, bytes]]:
    """Everything about a window, whatever was written before."""
    portion, key = window.users.content(), window.window.key
    chunks: list[Users] = []
    if portion is not None and portion.users is not None:
        chunks = _split(portion.users)
    elif portion is not None:
        yield _sketch_key(key), portion.sketch.serialize()
    for index, users in enumerate(chunks):
        yield _chunk_key(key, index), _packed(users)
    yield key, _encoded(window, chunks=len(chunks), sketched=portion is not None and portion.users is None)


def keys_of(window: OpenWindow) -> list[str]:
    """The keys that were written of a window, none if it was never saved."""
    if window.saved is None:
        return []
    key = window.window.key
    sketches = [_sketch_key(key)] if window.sketched else []
    return [key, *sketches, *(_chunk_key(key, index) for index in range(window.chunks))]


def head_of(state: Mapping[str, bytes], *, rules: Mapping[str, str]) -> Head | None:
    """The head of a saved state, None when there is none. Raises IdentityError when it was made by other rules."""
    value = state.get(HEAD_KEY)
    if value is None:
        return None
    head = _decoded(HEAD_KEY, value, Head)
    rules = {**SAVED_AS, **rules}
    pairs = [(name, head.rules.get(name, "-"), rules.get(name, "-")) for name in sorted({*rules, *head.rules})]
    differences = [f"{name} was {before}, is {now}" for name, before, now in pairs if before != now]
    if differences:
        raise IdentityError(what="the saved state of the windows", differences=", ".join(differences))
    return head


def unpacked(dump: bytes) -> dict[str, bytes]:
    """The keys and values of a state that was saved in one piece. Raises CountStateError when it is damaged."""
    try:
        return msgspec.msgpack.decode(dump, type=dict[str, bytes])
    except msgspec.MsgspecError as error:
        raise CountStateError(key=HEAD_KEY, expected="keys and values", found=str(error)) from None


def saved_in(state: Mapping[str, bytes]) -> Iterator[Saved]:
    """The windows of a saved state, larger ones first. Raises CountStateError for one that is damaged."""
    for window, numbers in sorted(_numbers_in(state), key=_place, reverse=True):
        yield Saved(
            standing=_standing(window, numbers),
            chunks=numbers.chunks,
            sketched=numbers.sketched,
            portions=tuple(_portions(window.key, numbers, state)),
        )


def standings_in(state: Mapping[str, bytes]) -> list[Standing]:
    """How the windows of a saved state stand, by size and start. Raises CountStateError."""
    return [_standing(window, numbers) for window, numbers in sorted(_numbers_in(state), key=_place)]


def _standing(window: Window, numbers: Numbers) -> Standing:
    return Standing(
        window=window,
        status=numbers.status,
        revision=numbers.revision,
        frames=numbers.frames,
        late=numbers.late,
        changed=numbers.changed,
    )


def _place(pair: tuple[Window, Numbers]) -> tuple[int, int]:
    return pair[0].by.bit, pair[0].start


def _users_news(window: OpenWindow, portion: Portion) -> Iterator[Change]:
    key = window.window.key
    if portion.users is None:
        yield from ((_chunk_key(key, index), None) for index in range(window.chunks))
        window.chunks, window.sketched = 0, True
        yield _sketch_key(key), portion.sketch.serialize()
        return
    for users in _split(portion.users):
        yield _chunk_key(key, window.chunks), _packed(users)
        window.chunks += 1


def _encoded(window: OpenWindow, *, chunks: int, sketched: bool) -> bytes:
    numbers = Numbers(
        end=window.window.end,
        status=window.status,
        revision=window.revision,
        frames=window.frames,
        late=window.late,
        changed=window.changed,
        chunks=chunks,
        sketched=sketched,
    )
    return msgspec.json.encode(numbers)


def _numbers_in(state: Mapping[str, bytes]) -> Iterator[tuple[Window, Numbers]]:
    for key, value in state.items():
        name, _, start = key.partition(":")
        if name in _SIZE_NAMES and "#" not in start:
            numbers = _decoded(key, value, Numbers)
            if not start.isdecimal():
                raise CountStateError(key=key, expected="a window like hour:1468242000", found=key)
            yield Window(by=Size(name), start=int(start), end=numbers.end), numbers


def _portions(key: str, numbers: Numbers, state: Mapping[str, bytes]) -> Iterator[Portion]:
    for index in range(numbers.chunks):
        chunk = _chunk_key(key, index)
        value = _value(chunk, state)
        if len(value) % _HASHES.itemsize:
            raise CountStateError(key=chunk, expected="hashes of 8 bytes", found=f"{len(value)} bytes")
        yield Portion(np.frombuffer(value, dtype=_HASHES))
    if numbers.sketched:
        try:
            yield Portion.from_bytes(_value(_sketch_key(key), state))
        except ValueError as error:
            raise CountStateError(key=_sketch_key(key), expected="a sketch", found=str(error)) from None


def _value(key: str, state: Mapping[str, bytes]) -> bytes:
    value = state.get(key)
    if value is None:
        raise CountStateError(key=key, expected="users", found="nothing")
    return value


def _decoded(key: str, value: bytes, kind: type[_Value]) -> _Value:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.MsgspecError as error:
        raise CountStateError(key=key, expected=f"the {kind.__name__.lower()} of a count", found=str(error)) from None


def _split(users: Users) -> list[Users]:
    return [users[start : start + _CHUNK_USERS] for start in range(0, len(users), _CHUNK_USERS)]


def _packed(users: Users) -> bytes:
    return users.astype(_HASHES, copy=False).tobytes()


def _chunk_key(key: str, index: int) -> str:
    return f"{key}#{index}"


def _sketch_key(key: str) -> str:
    return f"{key}#sketch"
