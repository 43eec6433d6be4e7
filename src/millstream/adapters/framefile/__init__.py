"""Files of frames: plain, gzip and Zstandard, and standard input, read in fixed blocks of whole lines."""

from millstream.adapters.framefile.pipe import FramePipe, Piece
from millstream.adapters.framefile.stored import StoredFile, look_at

__all__ = ["FramePipe", "Piece", "StoredFile", "look_at"]
