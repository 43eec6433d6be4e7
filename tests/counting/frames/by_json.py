"""The rule of what is a frame, once more and independently: by the json module of the standard library."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
import xxhash

from millstream.counting.model import Frames, Reason

Answer = tuple[int, int] | Reason
"""Time and hash of the user, or why there is none."""


@dataclass(frozen=True, slots=True)
class Integer:
    text: str


@dataclass(frozen=True, slots=True)
class Fraction:
    text: str


class Pairs(list):
    """An object, with duplicate keys."""


class HalfPairError(ValueError):
    """Half a surrogate pair somewhere."""


def hash_of(user: str) -> int:
    return xxhash.xxh3_64_intdigest(user.encode())


def answer_of(line: bytes, *, uid: str = "uid", ts: str = "ts") -> Answer:
    """What a line without its newline is, if it is short and not deep."""
    try:
        # As Latin-1, every byte is a character, so a surrogate in the result can only come from an escape.
        refuse_halves(read(line.decode("latin-1")))
        root = read(line.decode("utf-8", "surrogateescape"))
    except ValueError:
        return Reason.MALFORMED
    if not isinstance(root, Pairs):
        return Reason.MALFORMED
    user = user_of(at(root, uid))
    if user is None:
        return Reason.NO_USER
    time_s = time_of(at(root, ts))
    return Reason.NO_TIME if time_s is None else (time_s, hash_of(user))


def read(text: str) -> object:
    def refuse(constant: str) -> object:
        raise ValueError(constant)

    return json.loads(text, object_pairs_hook=Pairs, parse_int=Integer, parse_float=Fraction, parse_constant=refuse)


def refuse_halves(value: object) -> None:
    match value:
        case str():
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise HalfPairError
        case Pairs():
            for key, inner in value:
                refuse_halves(key)
                refuse_halves(inner)
        case list():
            for inner in value:
                refuse_halves(inner)


def at(root: object, path: str) -> object:
    """The value at a path; an ellipsis if there is none."""
    for key in path.split("."):
        if not isinstance(root, Pairs):
            return ...
        root = next((value for name, value in reversed(root) if name == key), ...)
    return root


def user_of(value: object) -> str | None:
    match value:
        case str() if value and not any("\ud800" <= character <= "\udfff" for character in value):
            return value
        case Integer("-0"):
            return "0"
        case Integer(text):
            return text
    return None


def time_of(value: object) -> int | None:
    if isinstance(value, str):
        if value != value.strip(" \t\r\n"):
            return None
        try:
            value = read(value)
        except ValueError:
            return None
    if not isinstance(value, Integer | Fraction):
        return None
    try:
        number = float(value.text) if isinstance(value, Fraction) else Decimal(value.text)
    except InvalidOperation:
        return None
    whole = 0 <= number < 10**11 and number == int(number)
    return int(number) if whole else None


def answers(frames: Frames) -> list[Answer]:
    """A scanner's answer for each line that is not blank."""
    assert frames.times.dtype == np.int64
    assert frames.users.dtype == np.uint64
    assert len(frames.times) == len(frames.users)
    assert frames.lines == len(frames.times) + len(frames.rejects)
    found: list[Answer] = list(zip(frames.times.tolist(), frames.users.tolist(), strict=True))
    indices = [reject.index for reject in frames.rejects]
    assert indices == sorted(set(indices))
    for reject in frames.rejects:
        found.insert(reject.index, reject.reason)
    return found
