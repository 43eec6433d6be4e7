"""What is known of blocks, as rows of numbers and as values."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.counting.files.stride import BlockFacts, Blocks, Refused
from millstream.counting.model import Reason

NUMBERS = st.integers(-(2**63), 2**63 - 1)
REFUSED = st.builds(
    Refused, st.integers(0, 9), st.integers(0, 9), st.sampled_from(Reason), st.text(max_size=3), st.binary(max_size=3)
)
FACTS = st.lists(
    st.builds(BlockFacts, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.lists(REFUSED, max_size=3).map(tuple)),
    max_size=6,
)


@given(FACTS)
def test_rows_give_back_what_they_were_made_of(facts: list[BlockFacts]) -> None:
    """By place from either end, by slice, and on the other side of a process, too."""
    blocks = Blocks.of(facts)

    assert list(blocks) == facts == blocks[:]
    assert [blocks[-number] for number in range(1, len(facts) + 1)] == facts[::-1]
    assert pickle.loads(pickle.dumps(blocks)) == blocks  # noqa: S301 - its own
    assert [blocks.start(number) for number in range(len(facts) + 1)] == [0, *(block.end for block in facts)]


@given(FACTS, FACTS)
def test_blocks_are_equal_when_all_is_that_is_known_of_them(facts: list[BlockFacts], others: list[BlockFacts]) -> None:
    """And beyond the last there is none."""
    blocks = Blocks.of(facts)

    assert (blocks == Blocks.of(others)) is (facts == others)
    with pytest.raises(IndexError):
        blocks[len(facts)]
