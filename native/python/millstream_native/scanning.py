"""The native scanner as Millstream sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millstream.counting.frames.fields import fields_named
from millstream.counting.frames.judging import Judge, Refused
from millstream.counting.frames.scanner import RAW_LIMIT_BYTES, PythonScanner
from millstream.counting.model import Frames, Reason, Reject, Times, Users
from millstream_native._native import Scanner

_Row = tuple[int, int, int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFrames:
    """What is known of one block of lines.

    Its frames are those of the columns up to `end`, from the end of the block before; `lowest` and `highest` are its
    times' (0 without frames), `lines` counts all that are not blank. `newlines_before` has for each reject how many
    newlines of the block come before its line.
    """

    end: int
    lowest: int
    highest: int
    lines: int
    newlines: int
    rejects: tuple[Reject, ...]
    newlines_before: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedBlocks:
    """The frames of consecutive blocks as two columns, and what is known of each block."""

    times: Times
    users: Users
    blocks: list[BlockFrames]


class NativeScanner:
    """The scanner that needs the compiled package. Implements FrameScanner.

    `uid` and `ts` as in PythonScanner; raises InvalidValueError like it. Arrays cannot be written to. Other threads run
    while it scans; the scanner itself is used by one.
    """

    name = "native"

    def __init__(self, *, uid: str = "uid", ts: str = "ts") -> None:
        fields = fields_named(uid=uid, ts=ts)
        self._judge = Judge(fields)
        self._scanner = Scanner(uid=fields.uid, ts=fields.ts)
        self._python = PythonScanner(uid=uid, ts=ts)
        self.disagreements = 0

    def scan_lines(self, block: bytes) -> Frames:
        """See FrameScanner."""
        times, users, [(_, _, _, lines, _, _)], rows = self._scanner.scan_blocks([block])
        rejects = self._rejects(rows, block)
        return self._python.scan_lines(block) if rejects is None else _frames(times, users, rejects, lines)

    def scan_values(self, values: Sequence[bytes | None]) -> Frames:
        """See FrameScanner."""
        times, users, [(_, _, _, lines, _, _)], rows = self._scanner.scan_values(values)
        rejects = self._value_rejects(rows, values)
        return self._python.scan_values(values) if rejects is None else _frames(times, users, rejects, lines)

    def scan_blocks(self, blocks: Sequence[bytes]) -> ScannedBlocks:
        """The frames of consecutive blocks of lines, each scanned like `scan_lines` does, at once."""
        times, users, facts, rows = self._scanner.scan_blocks(blocks)
        known: list[BlockFrames] = []
        first_row = 0
        for block, (end, lowest, highest, lines, newlines, last_row) in zip(blocks, facts, strict=True):
            own_rows = rows[first_row:last_row]
            first_row = last_row
            rejects = self._rejects(own_rows, block)
            if rejects is None:
                return self._by_python(blocks)
            known.append(
                BlockFrames(
                    end=end,
                    lowest=lowest,
                    highest=highest,
                    lines=lines,
                    newlines=newlines,
                    rejects=rejects,
                    newlines_before=tuple(row[1] for row in own_rows),
                )
            )
        return ScannedBlocks(times=np.frombuffer(times, np.int64), users=np.frombuffer(users, np.uint64), blocks=known)

    def _rejects(self, rows: Sequence[_Row], block: bytes) -> tuple[Reject, ...] | None:
        """What is said about the lines of a block that are no frames; None if one of them is one, after all."""
        rejects = [
            self._reject(index, block[start : start + length], start=start, reason=reason)
            for index, _, start, length, reason in rows
        ]
        return self._agreed(rejects)

    def _value_rejects(self, rows: Sequence[_Row], values: Sequence[bytes | None]) -> tuple[Reject, ...] | None:
        rejects = [self._reject(index, values[index] or b"", start=0, reason=reason) for index, _, _, _, reason in rows]
        return self._agreed(rejects)

    def _agreed(self, rejects: Sequence[Reject | None]) -> tuple[Reject, ...] | None:
        agreed = tuple(reject for reject in rejects if reject is not None)
        if len(agreed) == len(rejects):
            return agreed
        self.disagreements += 1
        return None

    def _reject(self, index: int, line: bytes, *, start: int, reason: str) -> Reject | None:
        verdict = self._judge.judge(line)
        if not isinstance(verdict, Refused) or verdict.reason != reason:
            return None
        raw = line[:RAW_LIMIT_BYTES] if verdict.reason is Reason.TOO_LONG else line
        return Reject(index=index, start=start, reason=verdict.reason, detail=verdict.detail, raw=raw)

    def _by_python(self, blocks: Sequence[bytes]) -> ScannedBlocks:
        scanned = [self._python.scan_lines(block) for block in blocks]
        known: list[BlockFrames] = []
        end = 0
        for block, frames in zip(blocks, scanned, strict=True):
            end += len(frames.times)
            known.append(
                BlockFrames(
                    end=end,
                    lowest=int(frames.times.min()) if len(frames.times) else 0,
                    highest=int(frames.times.max()) if len(frames.times) else 0,
                    lines=frames.lines,
                    newlines=block.count(b"\n"),
                    rejects=frames.rejects,
                    newlines_before=tuple(block.count(b"\n", 0, reject.start) for reject in frames.rejects),
                )
            )
        return ScannedBlocks(
            times=np.concatenate([frames.times for frames in scanned]),
            users=np.concatenate([frames.users for frames in scanned]),
            blocks=known,
        )


def _frames(times: bytes, users: bytes, rejects: tuple[Reject, ...], lines: int) -> Frames:
    return Frames(
        times=np.frombuffer(times, np.int64), users=np.frombuffer(users, np.uint64), rejects=rejects, lines=lines
    )
