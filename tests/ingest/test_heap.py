"""How many heaps a worker host has."""

import subprocess
import sys

import pytest

COUNT = """
import ctypes, os, sys, tempfile, threading
from millstream.ingest.heap import use_few_heaps

THREADS = 8
if sys.argv[1] == "few":
    use_few_heaps()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.fdopen.argtypes = [ctypes.c_int, ctypes.c_char_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
together = threading.Barrier(THREADS)

def work():
    together.wait()
    block = bytes(100_000)
    together.wait()
    del block

threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with tempfile.NamedTemporaryFile() as file:
    stream = libc.fdopen(os.dup(file.fileno()), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    file.seek(0)
    print(file.read().count(b"<heap nr="))
"""


def heaps(how: str) -> int:
    """The heaps of a process after eight of its threads had memory at once."""
    answer = subprocess.run([sys.executable, "-c", COUNT, how], check=True, capture_output=True, text=True)
    return int(answer.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such allocator elsewhere")
def test_threads_share_two_heaps() -> None:
    """However many threads have memory at once; by themselves they take a heap each."""
    assert heaps("few") <= 2 < heaps("as it is")
