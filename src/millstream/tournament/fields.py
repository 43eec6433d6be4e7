"""Finite fields and their products, as tables of addition and multiplication.

Theory of operation: GF(p^k) is the polynomials over GF(p) modulo an irreducible one of degree k; a polynomial is the
number whose digits to base p are its coefficients. A product of fields adds and multiplies in each part; its elements
are numbered in mixed radix. What designs need of it: among the elements of the *diagonal*, (i, i, ..., i) for i below
the order of the smallest part, every difference of two is invertible.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A product of finite fields: elements 0..order-1, `plus[a][b]` and `times[a][b]`, and its diagonal."""

    order: int
    plus: tuple[tuple[int, ...], ...]
    times: tuple[tuple[int, ...], ...]
    diagonal: tuple[int, ...]


@cache
def ring(order: int) -> Ring:
    """The product of the fields whose orders are the prime powers of `order`, which is at least 2."""
    powers = prime_powers(order)
    fields = [_field(prime, degree) for prime, degree in powers]
    elements = list(product(*(range(prime**degree) for prime, degree in powers)))
    number = {element: index for index, element in enumerate(elements)}

    def table(operation: int) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(
                number[tuple(field[operation][x][y] for field, x, y in zip(fields, a, b, strict=True))]
                for b in elements
            )
            for a in elements
        )

    smallest = min(prime**degree for prime, degree in powers)
    return Ring(
        order=order,
        plus=table(0),
        times=table(1),
        diagonal=tuple(number[(i,) * len(powers)] for i in range(smallest)),
    )


def prime_powers(number: int) -> list[tuple[int, int]]:
    """The factorisation of `number` as (prime, exponent), smallest prime first."""
    powers = []
    prime = 2
    while number > 1:
        exponent = 0
        while number % prime == 0:
            number //= prime
            exponent += 1
        if exponent:
            powers.append((prime, exponent))
        prime += 1
    return powers


_Tables = tuple[list[list[int]], list[list[int]]]


def _field(prime: int, degree: int) -> _Tables:
    """Addition and multiplication of GF(prime ** degree)."""
    digits = [tuple(number // prime**i % prime for i in range(degree)) for number in range(prime**degree)]
    number = {polynomial: index for index, polynomial in enumerate(digits)}
    plus = [[number[tuple((x + y) % prime for x, y in zip(a, b, strict=True))] for b in digits] for a in digits]
    for modulus in digits:  # the monic x^degree + modulus; the first one without divisors of zero gives the field
        times = [[number[_times(a, b, prime=prime, modulus=modulus)] for b in digits] for a in digits]
        if all(0 not in row[1:] for row in times[1:]):
            break
    return plus, times


def _times(a: tuple[int, ...], b: tuple[int, ...], *, prime: int, modulus: tuple[int, ...]) -> tuple[int, ...]:
    """The product of two polynomials modulo x^degree + modulus; coefficients from the lowest up."""
    degree = len(modulus)
    result = [0] * (2 * degree - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[i + j] += x * y
    for top in range(2 * degree - 2, degree - 1, -1):
        for i, z in enumerate(modulus):
            result[top - degree + i] -= result[top] * z
    return tuple(x % prime for x in result[:degree])
