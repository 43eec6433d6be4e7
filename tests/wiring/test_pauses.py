"""The garbage collector of a service."""

import subprocess
import sys

LOOK = """
import gc
from millstream.wiring.pauses import shorten_pauses

keep = [[] for _ in range(10_000)]
before = len(gc.get_objects())
shorten_pauses()
print(before > 10_000, len(gc.get_objects()) < 100, gc.get_freeze_count() > 10_000, gc.isenabled())
ring = []
ring.append(ring)
del ring, keep
print(gc.collect() > 0)
"""


def test_what_is_there_is_not_looked_at_again() -> None:
    """What the process has when it is ready is not among what the collector looks at; newer cycles still are."""
    answer = subprocess.run([sys.executable, "-c", LOOK], check=True, capture_output=True, text=True)

    assert answer.stdout.split() == ["True"] * 5
