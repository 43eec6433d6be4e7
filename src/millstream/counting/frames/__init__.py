"""Lines and messages to arrays of times and user hashes; everything else is rejected, with its reason."""

from millstream.counting.frames.scanner import FrameScanner, PythonScanner

__all__ = ["FrameScanner", "PythonScanner"]
