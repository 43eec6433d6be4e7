"""The scanner in compiled code.

Theory of operation: the compiled part says of each line whether it is a frame, and of the others where they are and
why they are none. The words about those are taken from the scanner in Python, which judges each of them once more. So
both scanners say the same by construction; and should they ever not agree about a line, the scanner in Python decides
about its whole block, and `disagreements` counts it.
"""

from collections.abc import Sequence

import numpy as np
from millstream_native import BlockClock, Scanner

from millstream.counting.admission.clock import ClockSettings
from millstream.counting.admission.passing import Columns, Passed
from millstream.counting.admission.pending import NEVER
from millstream.counting.frames.blocks import BLOCK_NUMBERS, BlockFrames, Ranged, ScannedBlocks, one_by_one
from millstream.counting.frames.fields import fields_named
from millstream.counting.frames.headstart import HeadStart, Row
from millstream.counting.frames.judging import Judge, Refused
from millstream.counting.frames.scanner import RAW_LIMIT_BYTES, PythonScanner
from millstream.counting.model import Frames, Reason, Reject


class NativeScanner:
    """The scanner that needs the package `millstream-native`. Implements FrameScanner.

    `uid` and `ts` as in PythonScanner; raises InvalidValueError like it. Arrays cannot be written to. Other threads run
    while it scans; the scanner itself is used by one. What `head_start` has at hand, `scan_range` need not scan.
    """

    name = "native"

    def __init__(self, *, uid: str = "uid", ts: str = "ts", head_start: HeadStart | None = None) -> None:
        fields = fields_named(uid=uid, ts=ts)
        self._judge = Judge(fields)
        self._scanner = Scanner(uid=fields.uid, ts=fields.ts)
        self._python = PythonScanner(uid=uid, ts=ts)
        self._head_start = head_start
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
        """See FrameScanner."""
        times, users, facts, rows = self._scanner.scan_blocks(blocks)
        known: list[BlockFrames] = []
        first_row = 0
        for block, (end, lowest, highest, lines, newlines, last_row) in zip(blocks, facts, strict=True):
            own_rows = rows[first_row:last_row]
            first_row = last_row
            rejects = self._rejects(own_rows, block)
            if rejects is None:
                return one_by_one(self._python.scan_lines, blocks)
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

    def scan_range(
        self, path: str, *, identity: tuple[int, int], size_bytes: int, first: int, count: int
    ) -> Ranged | None:
        """Read `count` blocks of a file from block `first` on, and scan them; without the interpreter's lock.

        `identity` are device and inode. None if the file is not as it was, or has lines better read in another way.
        Rejects start at a byte of the file.
        """
        device, inode = identity
        found = self._head_start.take(path, first=first, count=count) if self._head_start is not None else None
        if found is None:
            found = self._scanner.scan_range(
                path, device=device, inode=inode, size_bytes=size_bytes, first=first, count=count
            )
        if found is None:
            return None
        times, users, blocks, rows, is_last = found
        rejects = self._agreed([self._reject(row[0], line, start=row[2], reason=row[4]) for row, line in rows])
        if rejects is None:
            return None
        return Ranged(
            times=np.frombuffer(times, np.int64),
            users=np.frombuffer(users, np.uint64),
            blocks=np.frombuffer(blocks, np.int64).reshape(-1, BLOCK_NUMBERS),
            rejects=rejects,
            newlines_before=[row[1] for row, _ in rows],
            is_last=is_last,
        )

    @staticmethod
    def block_clock(settings: ClockSettings, *, grace_s: int) -> "NativeClock":
        """See ClockScanner."""
        return NativeClock(settings, grace_s=grace_s)

    def _rejects(self, rows: Sequence[Row], block: bytes) -> tuple[Reject, ...] | None:
        """What is said about the lines of a block that are no frames; None if one of them is one, after all."""
        rejects = [
            self._reject(index, block[start : start + length], start=start, reason=reason)
            for index, _, start, length, reason in rows
        ]
        return self._agreed(rejects)

    def _value_rejects(self, rows: Sequence[Row], values: Sequence[bytes | None]) -> tuple[Reject, ...] | None:
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


class NativeClock:
    """Passes runs of blocks in compiled code, without the interpreter's lock. Implements BlockClock."""

    def __init__(self, settings: ClockSettings, *, grace_s: int) -> None:
        self._clock = BlockClock(
            lateness_s=settings.lateness_s,
            ahead_s=settings.ahead_s,
            near_s=settings.near_s,
            ring=settings.ring,
            kth=settings.kth,
            least=settings.least,
            earliest_s=settings.earliest_s,
            grace_s=min(grace_s, NEVER),
        )

    def pass_blocks(
        self,
        columns: Columns,
        *,
        first: int,
        ring: Sequence[int],
        live: int | None,
        judging: int | None,
        latest_s: int,
        patience: int,
        waiting_s: int,
        until_s: int,
    ) -> Passed | None:
        """See BlockClock."""
        run = self._clock.pass_blocks(
            columns.times,
            columns.rows,
            first=first,
            ring=ring,
            live=live,
            judging=judging,
            latest_s=latest_s,
            patience=patience,
            waiting_s=waiting_s,
            until_s=until_s,
        )
        if run is None:
            return None
        late, watermarks = run[-2:]
        return Passed(*run[:-2], late=np.frombuffer(late, np.int64), watermarks=np.frombuffer(watermarks, np.int64))


def _frames(times: bytes, users: bytes, rejects: tuple[Reject, ...], lines: int) -> Frames:
    return Frames(
        times=np.frombuffer(times, np.int64), users=np.frombuffer(users, np.uint64), rejects=rejects, lines=lines
    )
