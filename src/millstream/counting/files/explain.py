"""Why a window of a count of files is open or closed, from its checkpoint and its output.

Theory of operation: the checkpoint of a count that stopped says how far each file was counted and which windows are
open; what was final is in the output. A window that is in neither has no frame so far.
"""

from collections.abc import Callable, Iterable

from millstream.counting.files.checkpoint import Checkpoint
from millstream.counting.files.part import BLOCK_SHIFT, PartMark
from millstream.counting.live.explain import closed_lines, moment, open_headline, standing_counts, wrong_key
from millstream.counting.model import Result
from millstream.counting.windows.windows import Windows

NAMED = 8
"""Files that are named one by one."""


def explain_files_window(
    checkpoint: Checkpoint, windows: Windows, key: str, *, find: Callable[[str], Result | None], grace_s: int
) -> list[str]:
    """Lines about the window called `key`; `find` looks a final result up in the output; a wrong key is told."""
    wrong = wrong_key(key)
    if wrong:
        return [wrong]
    result = find(key)
    if result is not None:
        return closed_lines(result)
    standing = next((one for one in windows.open() if one.window.key == key), None)
    if standing is None:
        end = "the count is over" if checkpoint.is_finished else f"the watermark is {moment(windows.watermark)}"
        return [f"{key} is neither open nor in the output: no frame of it was counted; {end}"]
    return [
        open_headline(standing.window, watermark=windows.watermark, grace_s=grace_s),
        *standing_counts(standing),
        f"the count stopped with the watermark at {moment(windows.watermark)}; the same command goes on from there",
        *_unread([mark for mark in checkpoint.parts if not mark.is_over]),
    ]


def _unread(files: list[PartMark]) -> Iterable[str]:
    for mark in files[:NAMED]:
        yield f"{mark.path} is not read to its end: {mark.block << BLOCK_SHIFT:,} bytes of its lines are counted"
    if len(files) > NAMED:
        yield f"and {len(files) - NAMED} more files are not read to their end"
