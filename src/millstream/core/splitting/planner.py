"""Cut one big file into chunks of about the wanted size, at record borders, with exact record numbers.

Theory of operation: bytes come in pieces of any size; as soon as a chunk and a little more are there, the format's
`Cutter` looks for the chunk's end, the fast way if it can and exactly if it must. Both follow the same rule, so the
plan is a function of the file, the dialect and the wanted size alone. The bytes of a chunk are handed on with
it, so the file is read once where planning and working share a process. Only the chunk in hand is held: about
two chunks and two pieces, and while a record outgrows that, up to twice that record.

A border needs no memory of what came before. `position` is all that has to be stored to go on from there.
"""

from collections.abc import Iterator

from millstream.core.splitting.csv_parity import CsvCutter
from millstream.core.splitting.cuts import TOO_LONG, Cut, Cutter, exact_cut
from millstream.core.splitting.lines import LineCutter
from millstream.core.splitting.model import DEFAULT_CHUNK_BYTES, Chunk, Dialect, Format, Planned, Position
from millstream.core.splitting.skipping import Skipper, skipper
from millstream.errors import InvalidValueError

SLACK_BYTES = 65_536


def cutter_of(dialect: Dialect) -> Cutter:
    """What cuts files of this dialect."""
    return CsvCutter(dialect) if dialect.format is Format.CSV else LineCutter(dialect)


class Planner:
    """Is fed the file from the byte `at` on, and gives its chunks.

    `at` is where the head ends, or the border after any chunk that was planned before. `chunk_bytes` is the
    least size of a chunk, the last of the file and one before a record that is too long excepted; a chunk is longer
    by less than its last record. If it is more than the dialect's `max_record_bytes`, every chunk has to be read
    exactly. With `exact` that is done anyway; the plan is the same, and takes longer. `cutter` follows the rule of
    `cutter_of` in another way. The fast way waits for
    `slack_bytes` behind the wanted size; most records end within a few hundred. Raises InvalidValueError for a
    `chunk_bytes` or `slack_bytes` below 1.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        at: Position,
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
        exact: bool = False,
        slack_bytes: int = SLACK_BYTES,
        cutter: Cutter | None = None,
    ) -> None:
        for name, size in (("chunk_bytes", chunk_bytes), ("slack_bytes", slack_bytes)):
            if size < 1:
                raise InvalidValueError(name=name, expected="1 or more", found=size)
        self._dialect = dialect
        self._at = at
        self._chunk_bytes = chunk_bytes
        self._exact = exact
        self._cutter = cutter_of(dialect) if cutter is None else cutter
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._slack_bytes = slack_bytes
        self._wanted_bytes = chunk_bytes + slack_bytes
        self._too_long: Skipper | None = None
        self._passed_bytes = 0  # of the record that is too long

    @property
    def position(self) -> Position:
        """The border up to which everything was given: another planner can go on from there."""
        return self._at

    def feed(self, piece: bytes) -> list[Planned]:
        """Take the next bytes; the chunks that are complete by now and were not given before."""
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes < self._wanted_bytes and self._too_long is None:
            return []
        return list(self._take(final=False))

    def finish(self) -> list[Planned]:
        """There are no more bytes: the chunks that are left. An empty file has none."""
        return list(self._take(final=True))

    def _take(self, *, final: bool) -> Iterator[Planned]:
        data = b"".join(self._held)
        self._held.clear()
        start = 0
        while start < len(data):
            if self._too_long is not None:
                end = self._too_long.feed(data, start=start)
                self._passed_bytes += (len(data) if end is None else end) - start
                start = len(data) if end is None else end
                if end is not None:
                    yield self._give_too_long()
                continue
            cut = self._cut(data, start=start, final=final)
            if cut is None:
                break
            if cut == TOO_LONG:
                self._too_long = skipper(self._dialect)
                continue
            yield Planned(self._advance(cut), data[start : start + cut.size])
            start += cut.size
        if final and self._too_long is not None:
            yield self._give_too_long()
        self._held.append(data[start:])
        self._held_bytes = len(data) - start

    def _cut(self, data: bytes, *, start: int, final: bool) -> Cut | None:
        """The next chunk; or None, and how many bytes are wanted before another try."""
        left = len(data) - start
        window = self._chunk_bytes + self._slack_bytes
        if left < window and not final:
            self._wanted_bytes = max(window, left + self._slack_bytes)  # many small chunks share one joining of pieces
            return None
        if not self._exact:
            cut = self._cutter.fast(data, start=start, chunk_bytes=self._chunk_bytes, final=final)
            if cut is not None:
                return cut
        # What is not found in this has a record that is too long, so there is no use in holding more.
        self._wanted_bytes = min(2 * left, window + self._dialect.max_record_bytes)
        return exact_cut(
            data,
            start=start,
            window_bytes=window,
            chunk_bytes=self._chunk_bytes,
            cutter=self._cutter,
            dialect=self._dialect,
            final=final,
        )

    def _give_too_long(self) -> Planned:
        cut = Cut(self._passed_bytes, 1)
        self._too_long, self._passed_bytes = None, 0
        return Planned(self._advance(cut, too_long=True), b"")

    def _advance(self, cut: Cut, *, too_long: bool = False) -> Chunk:
        chunk = Chunk(
            seq=self._at.seq,
            start=self._at.offset,
            end=self._at.offset + cut.size,
            first_record=self._at.record,
            records=cut.records,
            too_long=too_long,
            unterminated=cut.unterminated,
        )
        self._at = chunk.after
        return chunk
