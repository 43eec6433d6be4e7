"""A bound on what a worker host keeps of the memory that it freed.

Theory of operation: glibc gives each of many threads a heap of its own, and what is freed stays in the heap it came
from. A chunk comes and goes as some megabytes in many blocks, made and freed by several threads, those of clients
included; so heap after heap grew to the size of the largest chunk and beyond, and with a thousand chunks a host had
twice the memory of one with ten. Two heaps are enough for threads that mostly wait or work outside of the allocator:
hosts are smaller by a third then, and as fast (`python bench --only ingest`). Giving back each block as it is freed
saves a little more, but took half as much processor time again where messages are put together (measured).
"""

import ctypes
import sys

_ARENA_MAX = -8
"""What <malloc.h> calls M_ARENA_MAX."""
_HEAPS = 2


def use_few_heaps() -> None:
    """Let the threads of this process share heaps, before it starts them; does nothing where malloc is not glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_ARENA_MAX, _HEAPS)
