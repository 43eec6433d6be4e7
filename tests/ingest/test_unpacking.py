"""Compressed files and wide encodings, unpacked."""

import gzip
import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.tasks import Compression
from millstream.errors import DamagedFileError, UnpackedTooLargeError, UnreadableFileError
from millstream.ingest.unpacking import (
    PIECE_BYTES,
    SNIFFED_BYTES,
    UnpackLimits,
    sniff,
    unpack,
    wide_encoding,
)

SKIPPABLE = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"


def zstd(data: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor().compress(data)


PACK = {Compression.GZIP: gzip.compress, Compression.ZSTD: zstd}
FIRST_LINE = b"a line that is long enough\n"
METHODS = pytest.mark.parametrize("compression", list(PACK))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut at places, which may coincide or lie outside."""
    at = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(at)]


CUTS = st.lists(st.integers(0, 400), max_size=12)


@METHODS
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4), places=CUTS, zeros=st.integers(0, 3))
def test_however_it_is_cut_it_unpacks_to_the_same(
    compression: Compression, parts: list[bytes], places: list[int], zeros: int
) -> None:
    """Members and frames behind each other, with zeros at the end, in pieces of any size."""
    packed = b"".join(map(PACK[compression], parts)) + bytes(zeros)

    pieces = list(unpack(cut(packed, places)))

    assert b"".join(pieces) == b"".join(parts)
    assert b"" not in pieces


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    encoding=st.sampled_from(["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
    places=CUTS,
    method=st.sampled_from([None, *PACK]),
)
def test_wide_text_becomes_utf8(text: str, encoding: str, places: list[int], method: Compression | None) -> None:
    """By name, however it is cut, compressed or not."""
    data = text.encode(encoding)
    packed = PACK[method](data) if method else data

    pieces = list(unpack(cut(packed, places), encoding=encoding, compression=method or Compression.NONE))

    assert b"".join(pieces).decode() == text
    assert b"" not in pieces


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_is_known_by_its_mark(encoding: str) -> None:
    """Also where the file is said to be in UTF-8; the mark itself goes."""
    data = ("\ufeff" + "a,ü\n𝄞,2\n").encode(encoding)

    assert wide_encoding(data[:SNIFFED_BYTES]) == encoding[:6]
    assert b"".join(unpack([data])).decode() == "a,ü\n𝄞,2\n"


@given(data=st.binary(max_size=100), encoding=st.sampled_from(["latin-1", "cp1252", "utf-8"]), places=CUTS)
def test_other_encodings_stay_as_they_are(data: bytes, encoding: str, places: list[int]) -> None:
    """Byte for byte, valid or not."""
    if encoding == "utf-8" and wide_encoding(data):
        data = b"a" + data

    assert b"".join(unpack(cut(data, places), compression=Compression.NONE, encoding=encoding)) == data


@given(
    before=st.text(st.characters(codec="utf-8"), max_size=5),
    after=st.text(st.characters(codec="utf-8"), max_size=5),
    places=CUTS,
    broken=st.sampled_from(
        [
            ("utf-16-le", b"\x00\xd8"),
            ("utf-16-be", b"\xdc\x00"),
            ("utf-32-le", b"\x00\x00\x11\x00"),
            ("utf-32-be", b"\xff" * 4),
        ]
    ),
)
def test_what_is_no_character_spoils_its_own_line_only(
    before: str, after: str, places: list[int], broken: tuple[str, bytes]
) -> None:
    """It becomes bytes that are none in UTF-8; the lines around it are whole."""
    encoding, bad = broken
    clean = [before.replace("\n", ""), after.replace("\n", "")]
    data = f"{clean[0]}\n".encode(encoding) + bad + f"\n{clean[1]}\n".encode(encoding)

    lines = b"".join(unpack(cut(data, places), compression=Compression.NONE, encoding=encoding)).split(b"\n")

    assert [lines[0].decode(), *(line.decode() for line in lines[2:])] == [*clean, ""]
    with pytest.raises(UnicodeDecodeError):
        lines[1].decode()


def test_text_that_ends_in_the_middle_of_a_character_is_marked() -> None:
    """The last record cannot be decoded; those before it can."""
    data = "one\ntwo".encode("utf-16-le")[:-1]

    first, last = b"".join(unpack([data], encoding="utf-16-le")).split(b"\n")

    assert first == b"one"
    with pytest.raises(UnicodeDecodeError):
        last.decode()


@METHODS
@pytest.mark.parametrize("size", [PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES, 5 * PIECE_BYTES + 1])
def test_much_from_little_is_whole(compression: Compression, size: int) -> None:
    """Also where it fills pieces exactly, and when nothing follows."""
    pieces = list(unpack([PACK[compression](bytes(size))]))

    assert sum(map(len, pieces)) == size
    assert compression is not Compression.GZIP or max(map(len, pieces)) <= PIECE_BYTES


@METHODS
@pytest.mark.parametrize("places", [[], [1, 2, 3, 100]])
def test_what_is_cut_off_is_damaged(compression: Compression, places: list[int]) -> None:
    """Wherever that is; what could be read was handed out before."""
    packed = PACK[compression](FIRST_LINE) + PACK[compression](bytes(range(256)) * 10)
    end_of_first = len(PACK[compression](FIRST_LINE))

    for length in {1, 2, 5, end_of_first - 1, end_of_first + 1, len(packed) - 1}:
        with pytest.raises(DamagedFileError, match="cut off"):
            list(unpack(cut(packed[:length], places), compression=compression))
    good = unpack([packed[:-1]], compression=compression)
    assert next(good) == FIRST_LINE


@METHODS
def test_damage_is_told(compression: Compression) -> None:
    """With how much was good, on one line, and as an error that no second try would mend."""
    packed = PACK[compression](b"first\n") + b"this is no compressed data at all"

    with pytest.raises(DamagedFileError, match="behind 1 good parts, found damage"):
        list(unpack([packed]))
    with pytest.raises(UnreadableFileError) as raised:
        list(unpack([b"a,b\n1,2\n"], compression=compression))
    assert "\n" not in str(raised.value)


def test_a_wrong_checksum_is_damage() -> None:
    """Gzip keeps one of its contents."""
    packed = bytearray(gzip.compress(b"data" * 100))
    packed[-6] ^= 1

    with pytest.raises(DamagedFileError):
        list(unpack([bytes(packed)]))


@METHODS
def test_nothing_is_not_compressed_data(compression: Compression) -> None:
    """An empty file is plain and empty, unless it is said to be compressed."""
    assert list(unpack([])) == []
    assert list(unpack([b"", b""])) == []
    with pytest.raises(DamagedFileError):
        list(unpack([], compression=compression))


@METHODS
def test_bombs_are_refused_by_their_ratio(compression: Compression) -> None:
    """Before they have unpacked much more than nobody minds; the error says what was found and what to set."""
    packed = PACK[compression](bytes(50_000_000))
    limits = UnpackLimits(free_bytes=1_000_000, max_ratio=100)
    gave: list[int] = []

    with pytest.raises(UnpackedTooLargeError, match=r"at most 100 times its size.*raise max_ratio"):
        gave.extend(map(len, unpack([packed], limits=limits)))

    assert sum(gave) < 40_000_000
    assert sum(map(len, unpack([packed], limits=UnpackLimits(free_bytes=50_000_000, max_ratio=100)))) == 50_000_000


@METHODS
def test_bombs_are_refused_by_their_size(compression: Compression) -> None:
    """Whatever the ratio is."""
    packed = PACK[compression](bytes(range(256)) * 1000)

    with pytest.raises(UnpackedTooLargeError, match=r"at most 255999 bytes.*raise max_unpacked"):
        list(unpack([packed], limits=UnpackLimits(max_bytes=255_999)))
    assert sum(map(len, unpack([packed], limits=UnpackLimits(max_bytes=256_000)))) == 256_000


def test_a_bomb_of_a_window_is_refused() -> None:
    """A frame of Zstandard may ask for gigabytes of memory."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = compressor.compress(b"a" * 1000) + compressor.flush()

    with pytest.raises(UnpackedTooLargeError, match="window"):
        list(unpack([packed], limits=UnpackLimits(max_window_bytes=1 << 20)))
    assert b"".join(unpack([packed])) == b"a" * 1000


def test_skippable_frames_are_skipped() -> None:
    """Tools that compress in parallel write them, at the start, too."""
    packed = SKIPPABLE + zstd(b"one,") + SKIPPABLE + zstd(b"two")

    assert sniff(packed) is Compression.ZSTD
    assert b"".join(unpack([packed])) == b"one,two"


@pytest.mark.parametrize(
    ("first", "name"),
    [(b"PK\x03\x04" + bytes(12), "ZIP"), (b"BZh91AY&SY" + bytes(6), "bzip2"), (b"\xfd7zXZ\x00" + bytes(9), "xz")],
)
def test_other_archives_are_named(first: bytes, name: str) -> None:
    """Nobody gets rows of an archive as text."""
    with pytest.raises(UnreadableFileError, match=rf"found .*{name}.*; unpack it first"):
        sniff(first)
    with pytest.raises(UnreadableFileError, match=name):
        list(unpack([first]))


@given(st.text())
def test_plain_text_is_plain(text: str) -> None:
    """Nothing that is UTF-8 text is taken for compressed."""
    first = text.encode(errors="replace")[:SNIFFED_BYTES]
    if not first.startswith((b"PK\x03\x04", b"BZh")):
        assert sniff(first) is Compression.NONE


@given(st.binary(min_size=3, max_size=40))
def test_any_bytes_unpack_or_are_damaged(data: bytes) -> None:
    """No other exception gets out."""
    for method in PACK:
        for head in (b"", PACK[method](b"x")[:10]):
            try:
                list(unpack([head + data], compression=method))
            except UnreadableFileError as error:
                assert str(error)  # noqa: PT017 - both ends are right


def test_an_error_of_the_input_goes_through() -> None:
    """What a store says is not taken for damage."""

    def pieces():
        yield zlib.compress(b"x")[:0] + gzip.compress(b"x")[:8]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(unpack(pieces()))
