"""What the tests of both scanners share."""

import random
from importlib import import_module

from counting.frames.kinds import need_native
from millstream.counting.model import Frames

PIECES = (
    *(bytes([byte]) for byte in b'{}[]",:\\ud8 \r\t\x00\xff0e.-+19nbf/'),
    *(rb"\ud83d\ude00", rb"\ud800", rb"\udc00", rb"\"", rb"\\", rb"\u0075", rb"\x", b"\xc3\xa9", b"\xed\xa0\x80"),
    *(b'"uid":', b'"ts":', b'"uid":"a","ts":5,', b"{}", b"[]", b"null", b"true", b"-0", b"1e5", b"1e999"),
    *(b"1468244384.0", b'"1468244384"', b'"\\u0031"', b"99999999999", b"100000000000"),
)


def native():
    """The compiled package, or a skip that says what is missing."""
    need_native(at_import=True)
    return import_module("millstream_native")


def told(frames: Frames) -> tuple[object, ...]:
    """All that a scanner says."""
    return frames.times.tolist(), frames.users.tolist(), frames.lines, frames.rejects


def damage(line: bytes, dice: random.Random) -> bytes:
    """A line with some bytes changed, put in or taken out; still one line."""
    damaged = bytearray(line)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at = dice.randrange(len(damaged) + 1)
        piece = dice.choice(PIECES)
        match dice.randrange(6):
            case 0:
                damaged[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                damaged[at : at + len(piece)] = piece
            case 2:
                damaged[at:at] = piece
            case 3:
                del damaged[at : at + dice.randrange(1, 6)]
            case 4:
                del damaged[at:]
            case _:
                damaged[at:at] = damaged[dice.randrange(len(damaged) + 1) :][:60]
    return bytes(damaged).replace(b"\n", b" ")
