"""Where all randomness of the package comes from."""

from random import Random


def dice(*seed: object) -> Random:
    """A random source that gives the same numbers for the same words, in every process and on every machine."""
    return Random(":".join(map(str, seed)))  # noqa: S311 - seating is no secret, and must be repeatable
