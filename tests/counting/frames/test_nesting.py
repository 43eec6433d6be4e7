"""Cutting deep lines keeps their syntax, right or wrong."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.frames.nesting import EVERY, shallow

pieces = st.sampled_from(
    [b"[", b"]", b"{", b"}", b'{"a":', b"[1,", b",", b'"x"', b'"[\\"{"', b'"', b"1", b".5", b"null", b" "]
)


def is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def depth_of(line: bytes) -> int:
    deepest = depth = 0
    for byte in line:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


@given(
    st.lists(pieces, max_size=12), st.sampled_from([0, 1, EVERY - 3, EVERY - 1, EVERY, 2 * EVERY - 2]), st.booleans()
)
def test_a_cut_line_is_json_exactly_if_the_whole_is(middle, levels, objects):
    """Compared where the decoder can still follow the whole."""
    opening, closing = (b'{"a":', b"}") if objects else (b"[", b"]")
    line = opening * levels + b"".join(middle) + closing * levels

    cut = shallow(line)

    assert (cut is not None and is_json(cut)) == is_json(line)


@pytest.mark.parametrize("levels", [0, 1, 99, 100, 101, 199, 200, 5000, 100_000])
def test_what_is_left_is_never_deep(levels):
    """However deep a line is, the decoder need not go further than a piece."""
    line = b'{"a":[' * (levels // 2) + b"[]" + b"]}" * (levels // 2)

    cut = shallow(line)

    assert cut is not None
    assert is_json(cut)
    assert depth_of(cut) <= EVERY


def test_what_is_not_deep_is_left_as_it_is():
    """Values that somebody asks for are not touched."""
    line = json.dumps({"uid": "[{", "ts": 7, "x": [[{"a": '"'}]]}).encode()

    assert shallow(line) == line


@pytest.mark.parametrize("line", [b"[", b"]", b"][", b'"', b'["]', b"[" * 300 + b"]" * 299, b"[" * 300 + b"}" * 300])
def test_brackets_that_do_not_match_are_no_json(line):
    """Too many, too few, of another kind, or behind a quote that is never closed."""
    cut = shallow(line)

    assert cut is None or not is_json(cut)
