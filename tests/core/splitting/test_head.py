"""The head of a file: byte order mark, header, names of columns; and what cannot be read at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.splitting import Dialect, Format, column_names, read_head
from millstream.errors import InvalidValueError, UnreadableFileError


def head_of(data: bytes, **dialect):
    head = read_head(data, dialect=Dialect(**dialect), final=True)
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("data", "dialect", "names", "start"),
    [
        (b"a,b\n1,2\n", {}, ("a", "b"), 4),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", {}, ("a", "b"), 8),
        (b'\xef\xbb\xbf"a\n1","b"\n', {}, ("a\n1", "b"), 13),
        (b"\n\r\na,b\n", {}, ("a", "b"), 7),
        (b"a;b", {"delimiter": ";"}, ("a", "b"), 3),
        (b"1,2\n", {"header": False}, ("column_1", "column_2"), 0),
        (b"\xef\xbb\xbf1,2\n", {"header": False}, ("column_1", "column_2"), 3),
        (b"", {}, (), 0),
        (b"\n\n", {}, (), 0),
        (b"\xef\xbb\xbf", {}, (), 3),
        (b"\xef\xbb\xbf{}\n", {"format": Format.JSONL}, (), 3),
        (b"\xe9,b\n", {"encoding": "latin-1"}, ("é", "b"), 4),
    ],
)
def test_names_and_the_start_of_the_records(data, dialect, names, start):
    """The head ends behind mark, blank lines and header, and has the names of the columns."""
    head = head_of(data, **dialect)

    assert (head.names, head.start) == (names, start)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (["a", "a", "a"], ("a", "a_2", "a_3")),
        (["a", "a", "a_2"], ("a", "a_3", "a_2")),
        (["", "b", ""], ("column_1", "b", "column_3")),
        (["", "column_1"], ("column_1_2", "column_1")),
        (["_id", "_id"], ("_id_2", "_id_3")),
        (["_id_2", "_id"], ("_id_2", "_id_3")),
    ],
)
def test_names_that_cannot_be_keys_are_changed(fields, names):
    """Duplicates get a suffix, empty ones a number, and `_id` belongs to the record's id."""
    assert column_names(fields) == names


@given(st.lists(st.sampled_from(["", "a", "a_2", "a_3", "_id", "_id_2", "column_1", "column_2", "column_2_2"])))
def test_names_are_unique_and_those_that_need_no_change_have_none(fields):
    """No two columns share a name, whatever the header says, and the first of a name keeps it."""
    names = column_names(fields)

    assert len(set(names)) == len(names) == len(fields)
    assert not {"", "_id"} & set(names)
    for place, (field, name) in enumerate(zip(fields, names, strict=True)):
        assert name == field or field in {"", "_id"} or field in fields[:place]


@given(st.integers(0, 12))
def test_a_head_that_is_not_whole_yet_asks_for_more(size):
    """Nothing is said of a header before its end is surely there."""
    data = b'"a\n""b",c\r\n1,2\r\n'
    whole = data.index(b"1")

    head = read_head(data[:size], dialect=Dialect(), final=False)

    assert head == (head_of(data) if size >= whole else None)


@pytest.mark.parametrize(
    ("data", "dialect", "message"),
    [
        ("a,b\n".encode("utf-16"), {}, "found the byte order mark of UTF-16; transcode"),
        ("a,b\n".encode("utf-32"), {}, "found the byte order mark of UTF-32; transcode"),
        (b'"a,b\n1,2\n', {}, "found a quote in the record at byte 0 that is never closed"),
        (b"\n\xff,b\n", {}, "expected a header in utf-8, found bytes that are not"),
        (b"\nabcdef\n", {"max_record_bytes": 5}, "at most 5 bytes, found no end of the one at byte 1"),
        (b"\nabcdef", {"max_record_bytes": 5}, "at most 5 bytes, found no end of the one at byte 1"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_says_why(data, dialect, message):
    """An error of one line names what was expected, what was found, and what to do."""
    with pytest.raises(UnreadableFileError, match=message):
        head_of(data, **dialect)


@pytest.mark.parametrize("name", ["utf-16", "utf-32-le", "utf-7", "shift_jis", "gbk", "iso2022_jp", "hz", "cp037"])
def test_encodings_in_which_bytes_are_not_characters_are_refused(name):
    """What cannot be cut as bytes is told at once, with the way out."""
    with pytest.raises(InvalidValueError, match="transcode others to utf-8 first"):
        Dialect(encoding=name)


@pytest.mark.parametrize("name", ["no-such", "rot13", "base64", "unicode_escape", "raw_unicode_escape", "a\0b", "idna"])
def test_what_is_no_encoding_of_text_is_refused(name):
    """Codecs that are something else are not taken for encodings."""
    with pytest.raises(InvalidValueError, match="encoding: expected utf-8"):
        Dialect(encoding=name)


@pytest.mark.parametrize("name", ["UTF8", "utf-8-sig", "latin-1", "cp1250", "cp1252", "cp1258", "koi8-r", "ascii"])
def test_encodings_that_contain_ascii_are_taken(name):
    """UTF-8 and encodings of one byte per character can be cut."""
    assert Dialect(encoding=name).encoding


@pytest.mark.parametrize(
    "wrong",
    [
        {"delimiter": ",,"},
        {"delimiter": "\n"},
        {"delimiter": "é"},
        {"quote": ""},
        {"quote": ","},
        {"max_record_bytes": 0},
    ],
)
def test_dialects_that_make_no_sense_are_refused(wrong):
    """The wrong field is named."""
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        Dialect(**wrong)


def test_equal_heads_have_equal_fingerprints():
    """A plan can tell whether dialect and header are still what they were."""
    assert head_of(b"a,b\n").fingerprint == head_of(b"a,b\r\n1,2\r\n").fingerprint
    assert head_of(b"a,b\n").fingerprint != head_of(b"a,c\n").fingerprint
    assert head_of(b"a,b\n").fingerprint != head_of(b"a,b\n", quote=None).fingerprint
