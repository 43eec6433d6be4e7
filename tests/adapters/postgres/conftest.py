"""Fixtures of these tests."""

from adapters.postgres.places import place

__all__ = ["place"]
