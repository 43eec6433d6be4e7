"""The compiled part of Millstream's frame scanner; Millstream makes frames of what it says."""

from millstream_native._native import LEVELS, VERSION, Scanner

__all__ = ["LEVELS", "VERSION", "Scanner"]
