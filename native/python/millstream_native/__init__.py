"""The compiled part of Millstream: scanner of frames, clock of blocks, cutter and renderer of records; the rules are in Millstream."""

from millstream_native._native import LEVELS, VERSION, BlockClock, CsvRenderer, Cutter, HeadStart, Scanner

__all__ = ["LEVELS", "VERSION", "BlockClock", "CsvRenderer", "Cutter", "HeadStart", "Scanner"]
