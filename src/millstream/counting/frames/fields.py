"""Where a frame has its user and its time, as decoders.

Theory of operation: a path of keys is turned into a type that knows these keys and no others, one struct for each
object on the way. Decoding into such a type validates the whole line and builds only the two values that are wanted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Protocol, cast

import msgspec

from millstream.errors import InvalidValueError

MAX_PARTS = 16
"""Keys in a path."""

MAX_TIME_S = 10**11 - 1
"""The largest time in seconds; what is larger is milliseconds."""

TextUser = Annotated[str, msgspec.Meta(min_length=1)]
"""A user as most files have it."""

AnyUser = TextUser | int | float
"""A user that may be a number; floats are taken so that they can be told from integers, and refused later."""

WholeTime = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_S)]
"""A time in Unix seconds. Decoded with `strict=False`, a number in a string and 1.0 or 1e9 are whole numbers, too."""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The paths of user and time, each a tuple of keys from the root of a frame."""

    uid: Path
    ts: Path

    def nest(self, user: str, *, time_s: int) -> bytes:
        """The smallest JSON object that has these values at these paths."""
        root: dict[str, object] = {}
        values: tuple[tuple[Path, object], ...] = ((self.uid, user), (self.ts, time_s))
        for path, value in values:
            at = root
            for key in path[:-1]:
                at = cast("dict[str, object]", at.setdefault(key, {}))
            at[path[-1]] = value
        return msgspec.json.encode(root)


def fields_named(*, uid: str, ts: str) -> Fields:
    """Read two dotted paths, such as `uid` and `meta.at`.

    Raises InvalidValueError when one is no path, or when one value would have to be inside of the other.
    """
    fields = Fields(uid=_path("uid", uid), ts=_path("ts", ts))
    shared = min(len(fields.uid), len(fields.ts))
    if fields.uid[:shared] == fields.ts[:shared]:
        raise InvalidValueError(name="ts", expected=f"a field apart from {uid!r}, which is the user", found=ts)
    return fields


def _path(name: str, text: str) -> Path:
    path = tuple(text.split("."))
    if len(path) > MAX_PARTS or not all(map(_is_key, path)):
        expected = f"1 to {MAX_PARTS} keys joined by dots, without quotes, backslashes and control characters"
        raise InvalidValueError(name=name, expected=expected, found=text)
    return path


def _is_key(text: str) -> bool:
    # A lone surrogate comes in no frame, and the decoder refuses to know keys that JSON would have to escape.
    odd = any(character in '"\\' or character < " " or "\ud800" <= character <= "\udfff" for character in text)
    return text != "" and not odd


class Flat(Protocol):
    """A frame with a value at its root."""

    uid: str
    ts: int


Decoded = Sequence[msgspec.Struct]


class Form:
    """A decoder of frames, and how to get at the columns of what it made.

    `user` is the type of a user. `decode` takes a line, `decode_lines` a block; both raise what msgspec raises.
    """

    __slots__ = ("decode", "decode_lines", "times", "users")

    def __init__(self, fields: Fields, *, user: object) -> None:
        leaves = [_Leaf(name="uid", path=fields.uid, kind=user), _Leaf(name="ts", path=fields.ts, kind=WholeTime)]
        struct, attributes = _struct(leaves)
        decoder = msgspec.json.Decoder(struct, strict=False)
        self.decode: Callable[[bytes | None], msgspec.Struct] = decoder.decode  # type: ignore[assignment]
        self.decode_lines: Callable[[bytes], list[msgspec.Struct]] = decoder.decode_lines
        self.users: Callable[[Decoded], list[str]] = _user_column(attributes["uid"])
        self.times: Callable[[Decoded], list[int]] = _time_column(attributes["ts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    name: str
    path: Path
    kind: object


def _struct(leaves: Sequence[_Leaf]) -> tuple[type[msgspec.Struct], dict[str, str]]:
    """A type that knows these leaves, and by the name of each the attributes that lead to it."""
    fields: list[tuple[str, type]] = []
    rename: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for key, group in groupby(leaves, key=lambda leaf: leaf.path[0]):
        inside = list(group)
        if len(inside[0].path) == 1:
            attribute, kind = inside[0].name, inside[0].kind
            attributes[attribute] = attribute
        else:
            attribute = f"of_{inside[0].name}"
            kind, inner = _struct([replace(leaf, path=leaf.path[1:]) for leaf in inside])
            attributes |= {name: f"{attribute}.{path}" for name, path in inner.items()}
        fields.append((attribute, cast("type", kind)))
        rename[attribute] = key
    # Untracked by the collector: a frame refers to nothing that refers back.
    return msgspec.defstruct("Frame", fields, rename=rename, gc=False), attributes


# The two plain columns are spelled out because a comprehension is faster than an attrgetter: 12 ns against 19 a frame.


def _user_column(attributes: str) -> Callable[[Decoded], list[str]]:
    if attributes == "uid":
        return lambda frames: [frame.uid for frame in cast("Sequence[Flat]", frames)]
    read = attrgetter(attributes)
    return lambda frames: list(map(read, frames))


def _time_column(attributes: str) -> Callable[[Decoded], list[int]]:
    if attributes == "ts":
        return lambda frames: [frame.ts for frame in cast("Sequence[Flat]", frames)]
    read = attrgetter(attributes)
    return lambda frames: list(map(read, frames))
