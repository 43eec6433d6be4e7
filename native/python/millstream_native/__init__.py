"""The compiled part of Millstream, which has the rules: scanner of frames, clock of blocks, cutter and renderer."""

from millstream_native._native import LEVELS, VERSION, BlockClock, CsvRenderer, Cutter, HeadStart, Scanner

__all__ = ["LEVELS", "VERSION", "BlockClock", "CsvRenderer", "Cutter", "HeadStart", "Scanner"]
