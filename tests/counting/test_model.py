"""The values of counting."""

import pickle

from millstream.counting.model import ALL_SIZES, SIZES, Size


def test_each_size_has_a_bit_of_its_own() -> None:
    """From small to large; together they are all sizes, and a size that was sent to another process is the same."""
    bits = [size.bit for size in SIZES]
    again = [pickle.loads(pickle.dumps(size)) for size in SIZES]  # noqa: S301 - its own

    assert bits == [1, 2, 4, 8, 16, 32]
    assert sum(bits) == ALL_SIZES
    assert all(one is two is Size(two.value) for one, two in zip(again, SIZES, strict=True))
