"""Finite fields and their products, as the tables that designs calculate with."""

from itertools import product

import pytest

from millstream.tournament.fields import prime_powers, ring


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16])
def test_a_ring_obeys_the_laws_of_arithmetic(order: int) -> None:
    """Both operations commute and associate, and multiplication distributes over addition."""
    numbers = ring(order)
    plus, times = numbers.plus, numbers.times

    for a, b in product(range(order), repeat=2):
        assert plus[a][b] == plus[b][a]
        assert times[a][b] == times[b][a]
    for a, b, c in product(range(order), repeat=3):
        assert plus[a][plus[b][c]] == plus[plus[a][b]][c]
        assert times[a][times[b][c]] == times[times[a][b]][c]
        assert times[a][plus[b][c]] == plus[times[a][b]][times[a][c]]


@pytest.mark.parametrize(("order", "smallest"), [(7, 7), (8, 8), (9, 9), (25, 25), (6, 2), (12, 3), (20, 4), (36, 4)])
def test_differences_on_the_diagonal_are_invertible(order: int, smallest: int) -> None:
    """The diagonal has as many elements as the smallest field; each difference of two reaches every product."""
    numbers = ring(order)
    minus = {(numbers.plus[a][b], b): a for a in range(order) for b in range(order)}

    assert len(numbers.diagonal) == smallest
    for a, b in product(numbers.diagonal, repeat=2):
        if a != b:
            assert sorted(numbers.times[minus[a, b]]) == list(range(order))


def test_numbers_split_into_prime_powers() -> None:
    """The factorisation multiplies to the number."""
    assert prime_powers(360) == [(2, 3), (3, 2), (5, 1)]
    assert prime_powers(13) == [(13, 1)]
