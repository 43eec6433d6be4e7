"""The compiled part of Millstream: its frame scanner, and its renderer of CSV; the rules are in Millstream itself."""

from millstream_native._native import LEVELS, VERSION, CsvRenderer, Scanner

__all__ = ["LEVELS", "VERSION", "CsvRenderer", "Scanner"]
