"""`millstream count` that writes a checkpoint at every block, and may kill itself at a named moment.

Called as `count_child.py MOMENT NUMBER WORDS...`: at the NUMBER-th time that MOMENT comes, the process is gone.
"""

import os
import signal
import sys
from pathlib import Path

from millstream.cli import main
from millstream.counting.files import checkpoint, output
from millstream.counting.files import count as files

files.CHECKPOINT_EVERY_S = 0.0
files.CHECKPOINT_SHARE = 1e9
files.LOOK_EVERY_BLOCKS = 1


class Bomb:
    """Ends the process at the last of `count` moments of that name."""

    def __init__(self, moment: str, count: int) -> None:
        self.moment, self.count = moment, count

    def __call__(self, moment: str) -> None:
        self.count -= moment == self.moment
        if moment == self.moment and self.count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def is_next(self, moment: str) -> bool:
        """Whether the next moment of that name is the last."""
        return moment == self.moment and self.count == 1


def arm(bomb: Bomb) -> None:
    """Put the bomb where a count touches its files."""
    write, save, replace = output.FileSink.write, checkpoint.Checkpoints.write, Path.replace

    def torn_write(self: output.FileSink, data: bytes) -> None:
        if bomb.is_next("torn output"):
            write(self, data[: len(data) * 2 // 3])
            self.flush()
        bomb("torn output")
        write(self, data)
        self.flush()
        bomb("after output")

    def saved(self: checkpoint.Checkpoints, what: checkpoint.Checkpoint) -> None:
        bomb("before checkpoint")
        save(self, what)
        bomb("after checkpoint")

    def replaced(self: Path, target: Path) -> Path:
        bomb("before rename")
        return replace(self, target)

    output.FileSink.write = torn_write
    checkpoint.Checkpoints.write = saved
    Path.replace = replaced


if __name__ == "__main__":
    arm(Bomb(sys.argv[1], int(sys.argv[2])))
    sys.exit(main(sys.argv[3:]))
