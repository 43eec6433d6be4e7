"""How a file is divided into strides: its first block by itself, as it tells when the file begins, then many at a time.

Known without numpy, so that a file can be begun before that is loaded.
"""

from collections.abc import Iterator

STRIDE_BLOCKS = 64


def stride_length(first: int) -> int:
    """How many blocks the stride has that begins (or goes on) with block `first`."""
    return 1 if first == 0 else STRIDE_BLOCKS - (first - 1) % STRIDE_BLOCKS


def strides(count: int) -> Iterator[tuple[int, int]]:
    """The first `count` strides of a file: first block, how many."""
    first = 0
    for _ in range(count):
        length = stride_length(first)
        yield first, length
        first += length
