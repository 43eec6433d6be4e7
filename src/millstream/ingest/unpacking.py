"""Compressed files, and those in UTF-16 or UTF-32, as plain UTF-8.

Theory of operation: bytes go in by small slices, and every call is told how much may come out (gzip) or fed so little
that it cannot be much (Zstandard, whose library has no such limit: four bytes can stand for 128 KiB). So memory is
bounded whatever a file holds, and a bomb is noticed before it has filled a disk: by what it unpacked to, and, above a
size that nobody minds, by the ratio. A file may have several members (gzip) or frames (Zstandard) behind each other;
it must end with a whole one.

Text in UTF-16 and UTF-32 is transcoded. What no character is there becomes bytes that are none in UTF-8 either, so the
one record that it stands in is rejected later on, and all others are kept.
"""

import codecs
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from millstream.core.tasks import Compression
from millstream.errors import DamagedFileError, MissingExtraError, UnpackedTooLargeError, UnreadableFileError

SNIFFED_BYTES = 16
"""How much of a file `sniff` looks at."""

GZIP_SLICE_BYTES = 64 << 10
ZSTD_SLICE_BYTES = 1 << 10
PIECE_BYTES = 1 << 20
"""No piece of unpacked gzip is longer; Zstandard's can be 32 times that, in a bomb."""

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPED = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
_OTHERS = {b"PK\x03\x04": "a ZIP archive", b"\xfd7zXZ\x00": "xz", b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive"}
_BZIP2, _BZIP2_AT, _BZIP2_BLOCK = b"BZh", 4, b"1AY&SY"

_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE_NAMES = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
_MARKED_AS_BROKEN = "millstream.broken"
_BROKEN = "\udfff"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackLimits:
    """What a compressed file may unpack to.

    At most `max_bytes`, and at most `max_ratio` times its own size once that is more than `free_bytes`. A Zstandard
    frame may ask for `max_window_bytes` of memory; 128 MiB is what its command line needs for its strongest level.
    """

    max_bytes: int = 100_000_000_000
    max_ratio: int = 250
    free_bytes: int = 100_000_000
    max_window_bytes: int = 128 << 20


def sniff(first_bytes: bytes) -> Compression:
    """How a file that begins so is compressed: gzip, zstd or none.

    Looks at SNIFFED_BYTES at most. Raises UnreadableFileError for an archive or a compression that is not supported.
    """
    if first_bytes.startswith(_GZIP):
        return Compression.GZIP
    if first_bytes.startswith((_ZSTD, *_ZSTD_SKIPPED)):
        return Compression.ZSTD
    found = next((name for mark, name in _OTHERS.items() if first_bytes.startswith(mark)), None)
    if first_bytes.startswith(_BZIP2) and first_bytes[_BZIP2_AT:].startswith(_BZIP2_BLOCK):
        found = "bzip2"
    if found is not None:
        raise UnreadableFileError(expected="text, gzip or zstd", found=found, hint="unpack it first")
    return Compression.NONE


def wide_encoding(first_bytes: bytes, *, encoding: str = "utf-8") -> str | None:
    """The UTF-16 or UTF-32 that text is in, by its byte order mark or by its name; None for any other encoding."""
    name = _canonical(encoding)
    if name in _WIDE_NAMES:
        return name
    if name not in {"utf-8", "utf-8-sig"}:
        return None
    return next((found for mark, found in _WIDE_MARKS.items() if first_bytes.startswith(mark)), None)


def unpack(
    pieces: Iterable[bytes],
    *,
    compression: Compression = Compression.AUTO,
    encoding: str = "utf-8",
    limits: UnpackLimits | None = None,
) -> Iterator[bytes]:
    """The bytes of a file, decompressed; text in UTF-16 or UTF-32 as UTF-8, all other encodings as they are.

    No piece is empty, and none depends on how the input was cut, once they are joined. Raises UnreadableFileError:
    UnpackedTooLargeError beyond `limits`, DamagedFileError for what is cut off or damaged; and MissingExtraError for
    Zstandard without its library. What was handed out until then is good.
    """
    limits = limits or UnpackLimits()
    first, rest = _begun(iter(pieces))
    if compression is Compression.AUTO:
        compression = sniff(first)
    plain: Iterator[bytes] = chain((first,), rest)
    if compression is not Compression.NONE:
        plain = _inflate(plain, compression=compression, limits=limits)
    return _transcode(plain, encoding=encoding)


def _begun(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Pieces whose first one has SNIFFED_BYTES, unless there are no more."""
    first = b""
    while len(first) < SNIFFED_BYTES and (piece := next(pieces, None)) is not None:
        first += piece
    return first, pieces


# --- compression ------------------------------------------------------------------------------------------------------


class _Member(Protocol):
    """What decompresses one member or frame."""

    @property
    def eof(self) -> bool:
        """Whether it ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was fed to it behind its end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Method:
    name: str
    slice_bytes: int
    begin: Callable[[], _Member]
    feed: Callable[[_Member, bytes], Iterator[bytes]]
    failure: type[Exception]


def _inflate(pieces: Iterable[bytes], *, compression: Compression, limits: UnpackLimits) -> Iterator[bytes]:
    method = _gzip() if compression is Compression.GZIP else _zstd(limits)
    took = gave = 0
    for taken, data in _members(pieces, method):
        took += taken
        gave += len(data)
        _check_size(took, gave, limits=limits)
        if data:
            yield data


def _members(pieces: Iterable[bytes], method: _Method) -> Iterator[tuple[int, bytes]]:
    """Bytes that were taken and bytes that came out, alternating as it happens."""
    current: _Member | None = None
    members = 0
    for taken in _slices(pieces, size_bytes=method.slice_bytes):
        yield len(taken), b""
        rest = taken
        while rest:
            if current is None:
                rest = rest.lstrip(b"\0") if members else rest  # tapes and block devices pad with zeros
                if not rest:
                    break
                current = method.begin()
            try:
                for data in method.feed(current, rest):
                    yield 0, data
            except method.failure as error:
                raise _damaged(method.name, members=members, error=error) from None
            rest = b""
            if current.eof:
                rest, current = current.unused_data, None
                members += 1
    if current is not None or not members:
        raise DamagedFileError(
            expected=f"whole {method.name} data", found="that it is cut off", hint="upload it again, to its end"
        )


def _slices(pieces: Iterable[bytes], *, size_bytes: int) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), size_bytes):
            yield piece[at : at + size_bytes]


def _gzip() -> _Method:
    def begin() -> _Member:
        return zlib.decompressobj(wbits=31)

    def feed(member: _Member, rest: bytes) -> Iterator[bytes]:
        inflater: zlib._Decompress = member  # type: ignore[assignment]  # begin() made it
        data = inflater.decompress(rest, PIECE_BYTES)
        yield data
        # A full piece may leave some behind inside, even if all input was taken.
        while not inflater.eof and (inflater.unconsumed_tail or len(data) == PIECE_BYTES):
            data = inflater.decompress(inflater.unconsumed_tail, PIECE_BYTES)
            yield data

    return _Method(name="gzip", slice_bytes=GZIP_SLICE_BYTES, begin=begin, feed=feed, failure=zlib.error)


def _zstd(limits: UnpackLimits) -> _Method:
    try:
        import zstandard  # noqa: PLC0415 - an optional part
    except ImportError:
        raise MissingExtraError(extra="count", feature="reading .zst files") from None

    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.max_window_bytes)

    def feed(member: _Member, rest: bytes) -> Iterator[bytes]:
        inflater: zstandard.ZstdDecompressionObj = member  # type: ignore[assignment]  # begin() made it
        try:
            yield inflater.decompress(rest)
        except zstandard.ZstdError as error:
            if "requires too much memory" in str(error):
                raise UnpackedTooLargeError(
                    expected=f"zstd data that needs a window of at most {limits.max_window_bytes} bytes",
                    found="one that needs more",
                    hint="compress it without --long or --ultra, or allow more",
                ) from None
            raise

    return _Method(
        name="zstd",
        slice_bytes=ZSTD_SLICE_BYTES,
        begin=decompressor.decompressobj,
        feed=feed,
        failure=zstandard.ZstdError,
    )


def _check_size(took: int, gave: int, *, limits: UnpackLimits) -> None:
    if gave > limits.max_bytes:
        raise UnpackedTooLargeError(
            expected=f"a file that unpacks to at most {limits.max_bytes} bytes",
            found="one that unpacks to more",
            hint="split it, or raise max_unpacked",
        )
    if gave > limits.free_bytes and gave > took * limits.max_ratio:
        raise UnpackedTooLargeError(
            expected=f"a file that unpacks to at most {limits.max_ratio} times its size",
            found=f"{took} bytes that unpack to {gave} and more",
            hint="is it a bomb? If not, raise max_ratio",
        )


def _damaged(name: str, *, members: int, error: Exception) -> DamagedFileError:
    expected = f"the end or more {name} data behind {members} good parts" if members else f"{name} data"
    return DamagedFileError(expected=expected, found=f"damage ({error})", hint="compress and upload it again")


# --- encodings --------------------------------------------------------------------------------------------------------


def _transcode(pieces: Iterable[bytes], *, encoding: str) -> Iterator[bytes]:
    first, rest = _begun(iter(pieces))
    wide = wide_encoding(first, encoding=encoding)
    joined = chain((first,), rest)
    if wide is None:
        yield from filter(None, joined)
        return
    codecs.register_error(_MARKED_AS_BROKEN, _mark_as_broken)
    decoder = codecs.getincrementaldecoder(wide)(_MARKED_AS_BROKEN)
    for piece in joined:
        if text := decoder.decode(piece):
            yield text.encode(errors="surrogatepass")
    if text := decoder.decode(b"", final=True):
        yield text.encode(errors="surrogatepass")


def _mark_as_broken(error: UnicodeError) -> tuple[str, int]:
    """Stand half a surrogate pair, which UTF-8 does not have, for what is no character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _BROKEN, error.end


def _canonical(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):  # whoever reads the text will say so
        return encoding
