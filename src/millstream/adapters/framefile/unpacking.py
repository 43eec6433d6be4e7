"""Decompression of gzip and Zstandard, as far as a damaged file can be read.

Theory of operation: compressed bytes go in by small pieces, so that damage costs no more than what one piece holds. A
file may have several members (gzip) or frames (Zstandard) behind each other; it must end with a whole one.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from millstream.errors import MillstreamError, MissingExtraError

GZIP = b"\x1f\x8b"
ZSTANDARD = b"\x28\xb5\x2f\xfd"
PIECE_BYTES = 16 << 10
_LONGEST_WINDOW_BYTES = 1 << 31  # what `zstd --long=31` writes


class DamagedError(MillstreamError):
    """What was compressed cannot be read on; the text says why."""


def unpacker(head: bytes, *, path: str) -> Callable[[Iterator[bytes]], Iterator[bytes]] | None:
    """How to decompress a file that begins with `head`, None for a plain one.

    The name counts first, so a file named `.gz` that is none is damaged and not taken for text.
    """
    if path.endswith(".gz") or head.startswith(GZIP):
        return ungzip
    if path.endswith(".zst") or head.startswith(ZSTANDARD):
        return unzstd
    return None


def ungzip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress; raises DamagedError behind the last byte that could be read."""
    return _unpack(pieces, lambda: zlib.decompressobj(wbits=31), failure=zlib.error, name="gzip")


def unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress; raises DamagedError behind the last byte that could be read."""
    try:
        import zstandard  # noqa: PLC0415 - an optional part
    except ImportError:
        raise MissingExtraError(extra="count", feature="reading .zst files") from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LONGEST_WINDOW_BYTES)
    return _unpack(pieces, decompressor.decompressobj, failure=zstandard.ZstdError, name="Zstandard")


def _unpack(
    pieces: Iterator[bytes], member: Callable[[], Any], *, failure: type[Exception], name: str
) -> Iterator[bytes]:
    current: Any = None
    members = 0
    for piece in pieces:
        rest = piece
        while rest:
            if current is None:
                rest = rest.lstrip(b"\0") if members else rest  # tapes and block devices pad with zeros
                if not rest:
                    break
                current = member()
            try:
                data = current.decompress(rest)
            except failure as error:
                raise DamagedError(_damage(name, members=members, error=error)) from None
            if data:
                yield data
            rest = b""
            if current.eof:
                rest, current = current.unused_data, None
                members += 1
    if current is not None or not members:
        raise DamagedError(f"expected whole {name} data, found that it is cut off")


def _damage(name: str, *, members: int, error: Exception) -> str:
    if members:
        return f"expected the end or more {name} data behind {members} good parts, found damage ({error})"
    return f"expected {name} data, found damage ({error})"
