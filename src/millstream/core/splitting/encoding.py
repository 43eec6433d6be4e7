"""Which encodings can be split as bytes.

Theory of operation: delimiters, quotes and line ends are looked for in bytes, before anything is decoded. That is
right if each byte below 128 always stands for its ASCII character and for nothing else: so in UTF-8, and in
encodings of one byte per character that contain ASCII (Latin-1, cp125x, KOI8, ...). In Shift-JIS or GBK such bytes
are also second halves of characters; in UTF-16 and UTF-32 they are zeros and halves of anything. Those have to be
transcoded first. An encoding is judged by decoding every byte, not by a list of names.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE, lookup

from millstream.errors import InvalidValueError, UnreadableFileError

_UTF8_NAMES = frozenset({"utf-8", "utf-8-sig"})
_ASCII = bytes(range(128))
_HIGH = [bytes((value,)) for value in range(128, 256)]
# What encodings of more than one byte per character, written in ASCII alone, would read as something else.
_ESCAPES = b"\\u0041\\x41+AGE-~{0!~}\x1b$B0!\x1b(B\x1b$)C\x0e0!\x0f"
_WIDE = {BOM_UTF32_LE: "UTF-32", BOM_UTF32_BE: "UTF-32", BOM_UTF16_LE: "UTF-16", BOM_UTF16_BE: "UTF-16"}

LONGEST_MARK_BYTES = 4


def checked_encoding(name: str) -> str:
    """The canonical name of an encoding that can be split as bytes; `utf-8-sig` is `utf-8`.

    Raises InvalidValueError for any other.
    """
    try:
        canonical = lookup(name).name
        if canonical in _UTF8_NAMES:
            return "utf-8"
        if _one_byte_each(canonical):
            return canonical
    except (LookupError, ValueError):  # no such encoding, or none of text; a NUL in the name
        pass
    raise InvalidValueError(
        name="encoding",
        expected="utf-8 or an encoding of one byte per character that contains ASCII, such as latin-1 or cp1252 "
        "(transcode others to utf-8 first)",
        found=name,
    )


def _one_byte_each(name: str) -> bool:
    """Whether ASCII decodes to itself, and every other byte alone, whatever follows it."""
    if any(plain.decode(name) != plain.decode("ascii") for plain in (_ESCAPES, _ASCII)):
        return False
    pairs = (b"".join(high + _ASCII[low : low + 1] for low in range(128)).decode(name, "replace") for high in _HIGH)
    return all(len(text) == 2 * len(_ASCII) and text[1::2].encode() == _ASCII for text in pairs)


def mark_bytes(data: bytes, *, encoding: str) -> int:
    """The length of the byte order mark at the start of a file: 3 or 0.

    `data` holds the first LONGEST_MARK_BYTES of the file, or all of it. Raises UnreadableFileError if they are the
    mark of UTF-16 or UTF-32.
    """
    if encoding == "utf-8":
        for mark, found in _WIDE.items():
            if data.startswith(mark):
                raise UnreadableFileError(
                    expected="text in utf-8",
                    found=f"the byte order mark of {found}",
                    hint="transcode it to utf-8 first",
                )
        if data.startswith(BOM_UTF8):
            return len(BOM_UTF8)
    return 0


def is_text(data: bytes, *, encoding: str) -> bool:
    """Whether all of it can be decoded."""
    if data.isascii():
        return True
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
