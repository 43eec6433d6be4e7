"""The compiled part of Millstream: scanner of frames, clock of blocks, renderer of CSV; the rules are in Millstream."""

from millstream_native._native import LEVELS, VERSION, BlockClock, CsvRenderer, HeadStart, Scanner

__all__ = ["LEVELS", "VERSION", "BlockClock", "CsvRenderer", "HeadStart", "Scanner"]
