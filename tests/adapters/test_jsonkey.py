"""Keys of JSON records, equal to a plain reading of each record by the standard library."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.adapters.jsonkey import json_key_reader

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=10)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def plain_key(record: bytes, *path: str) -> str | None:
    """The key as anybody would read it."""
    value = json.loads(record)
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    if value is None or isinstance(value, str):
        return value
    return None if isinstance(value, dict | list) else json.dumps(value)


def as_value(key: str | None) -> object:
    """The value behind a key: numbers may be written in several ways."""
    if key is None:
        return None
    try:
        return json.loads(key)
    except ValueError:
        return key


@given(st.lists(VALUES, max_size=5), st.booleans())
def test_keys_are_those_of_a_plain_reading(values: list[object], escape: bool) -> None:
    """Whatever a record is, its key is the scalar in the field, or none."""
    records = [json.dumps(value, ensure_ascii=escape).encode() for value in values]

    assert list(map(as_value, json_key_reader("a")(records))) == [as_value(plain_key(r, "a")) for r in records]
    assert list(map(as_value, json_key_reader("a.b")(records))) == [as_value(plain_key(r, "a", "b")) for r in records]
    assert list(map(as_value, json_key_reader("a.b.a")(records))) == [
        as_value(plain_key(r, "a", "b", "a")) for r in records
    ]


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_whatever_a_record_is_it_gets_a_key_or_none(records: list[bytes]) -> None:
    """No bytes are an error."""
    keys = json_key_reader("k")(records)

    assert len(keys) == len(records)
    assert all(key is None or isinstance(key, str) for key in keys)


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (b'{"k": "a b"}', "a b"),
        (b'{"k": ""}', ""),
        (b'{"k": "gr\xc3\xb6\xc3\x9fe"}', "größe"),
        (b'{"k": "\\u0041"}', "A"),
        (b'{"k": 17}', "17"),
        (b'{"k": 1.5}', "1.5"),
        (b'{"k": true}', "true"),
        (b'{"k": 123456789012345678901234567890}', "123456789012345678901234567890"),
        (b'{"other": {"k": 1}, "k": "last"}', "last"),
        (b'{"k": null}', None),
        (b'{"k": {}}', None),
        (b'{"k": ["a"]}', None),
        (b'{"K": "a"}', None),
        (b"{}", None),
        (b"[]", None),
        (b'"k"', None),
        (b"", None),
        (b'{"k": "a"', None),
        (b'{"k": "\xff"}', None),
        (b'{"k": "\\ud800"}', None),
        (b'{"k": NaN}', None),
        (b'{"x": ' + b"[" * 100_000, None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_examples(record: bytes, key: str | None) -> None:
    """Text is taken as it is, other scalars as JSON writes them, and everything else has no key."""
    assert json_key_reader("k")([record]) == [key]


def test_keys_are_in_the_order_of_the_records() -> None:
    """One for each."""
    records = [b'{"user": {"id": %d}}' % number for number in range(5)]

    assert json_key_reader("user.id")(records) == ["0", "1", "2", "3", "4"]
    assert json_key_reader("user.id")([]) == []


def test_a_name_with_a_dot_is_a_path() -> None:
    """A field whose own name has a dot cannot be named."""
    assert json_key_reader("a.b")([b'{"a.b": "x"}', b'{"a": {"b": "y"}}', b'{"a": "b"}']) == [None, "y", None]
