"""Values of messages as lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.core.valuelines import join_values, value_records

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(values=st.lists(st.binary(max_size=12).map(lambda value: value.replace(b"\n", b"")), max_size=20))
def test_values_without_newlines_are_records_as_they_are(values: list[bytes]) -> None:
    """One value is one record, to the byte, an empty one, too."""
    data, count = join_values(values)

    assert data == b"".join(value + b"\n" for value in values)
    assert count == len(values)


@given(values=st.lists(st.text(alphabet="a\n{}[],1\r ", max_size=12).map(str.encode), min_size=1, max_size=20))
def test_no_byte_but_newlines_is_touched(values: list[bytes]) -> None:
    """Whatever a producer wrote is there, in order, with the number of lines that is said."""
    data, count = join_values(values)

    assert data.endswith(b"\n")
    assert data.count(b"\n") == count >= len(values)
    assert _without_space(data) == _without_space(b"".join(values))


def _without_space(data: bytes) -> bytes:
    return data.translate(None, b"\n ")


@given(document=st.lists(DOCUMENTS, min_size=1) | st.dictionaries(st.text(), DOCUMENTS, min_size=1))
def test_a_json_document_stays_one_record(document: object) -> None:
    """However it was indented; its meaning and its length stay."""
    value = json.dumps(document, indent=1).encode()

    data, count = join_values([value, b"next"])

    first, second, rest = data.split(b"\n")
    assert (count, second, rest) == (2, b"next", b"")
    assert json.loads(first) == document
    assert len(first) == len(value)


@pytest.mark.parametrize(
    ("value", "records"),
    [
        (b'{"a":1}\n', b'{"a":1}'),
        (b'{"a":1}\n{"a":2}\n', b'{"a":1}\n{"a":2}'),
        (b'{"a":\n1}\n', b'{"a": 1}'),
        (b"a line\nand one more", b"a line\nand one more"),
        (b'{"broken":\n', b'{"broken":'),
        (b'{"broken":\n\n1', b'{"broken":\n\n1'),
        (b"[" * 100_000 + b"\n" + b"]" * 100_000, b"[" * 100_000 + b"\n" + b"]" * 100_000),
        (b"\n", b""),
        (b"\n\n", b"\n"),
        (b"[\n\xff]", b"[\n\xff]"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_values_with_newlines(value: bytes, records: bytes) -> None:
    """One JSON document is one record, anything else as many as it has lines."""
    assert value_records(value) == records
