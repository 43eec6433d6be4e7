"""A packing strategy of one's own, compared with those that are built in.

    python custom_packing.py
    millstream files incoming/ --plan --strategy custom_packing:one_large_each

A strategy gets sizes and the capacity, and answers with a bucket number for each file; Millstream checks what it says.
"""

import random
from collections.abc import Sequence

from millstream import Packing, pack

CAPACITY = 10_000_000


def one_large_each(sizes: Sequence[int], capacity: int) -> list[int]:
    """Never put two files of more than a third of a bucket together; otherwise first fit, largest file first."""
    numbers = [0] * len(sizes)
    rooms: list[int] = []
    for file in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
        is_large = sizes[file] > capacity // 3
        fitting = (number for number, room in enumerate(rooms) if room >= sizes[file] and not is_large)
        number = next(fitting, len(rooms))
        if number == len(rooms):
            rooms.append(capacity)
        rooms[number] -= sizes[file]
        numbers[file] = number
    return numbers


def compare(sizes: Sequence[int], *, workers: int) -> list[Packing]:
    """The same files, packed by three strategies."""
    return [
        pack(sizes, capacity=CAPACITY, strategy=strategy, workers=workers)
        for strategy in ("ffd", "auto", one_large_each)
    ]


if __name__ == "__main__":
    draw = random.Random(7)
    night = [int(draw.expovariate(1 / 2_000_000)) for _ in range(100)]
    for packing in compare(night, workers=10):
        buckets = f"{len(packing.buckets)} buckets, at least {packing.lower_bound} needed"
        print(f"{packing.strategy:>15}: {buckets}, about {packing.est_makespan_s:.2f} s")
