"""Millstream's frame scanner in compiled code.

Theory of operation: the compiled part says of each line whether it is a frame, and of the others where they are and
why they are none. The words about those are taken from the scanner in Python, which judges each of them once more. So
both scanners say the same by construction; and should they ever not agree about a line, the scanner in Python decides
about its whole block, and `disagreements` counts it.
"""

from millstream_native._native import LEVELS, VERSION, Scanner
from millstream_native.scanning import BlockFrames, NativeScanner, ScannedBlocks

__all__ = ["LEVELS", "VERSION", "BlockFrames", "NativeScanner", "ScannedBlocks", "Scanner"]
