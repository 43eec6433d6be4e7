from collections.abc import Sequence
from typing import TypeAlias, final

LEVELS: list[str]
MAX_LINE_BYTES: int
VERSION: str

RejectRow: TypeAlias = tuple[int, int, int, int, str]
BlockRow: TypeAlias = tuple[int, int, int, int, int, int]
Scanned: TypeAlias = tuple[bytes, bytes, list[BlockRow], list[RejectRow]]

ScannedRange: TypeAlias = tuple[bytes, bytes, bytes, list[tuple[RejectRow, bytes]], bool]

Run: TypeAlias = tuple[int, int, int, int, list[int], int | None, int | None, bytes, bytes]

@final
class Scanner:
    def __new__(cls, *, uid: Sequence[str], ts: Sequence[str], level: str | None = None) -> Scanner: ...
    @property
    def level(self) -> str: ...
    def scan_blocks(self, blocks: Sequence[bytes]) -> Scanned: ...
    def scan_range(
        self, path: str, *, device: int, inode: int, size_bytes: int, first: int, count: int
    ) -> ScannedRange | None: ...
    def scan_values(self, values: Sequence[bytes | None]) -> Scanned: ...

@final
class HeadStart:
    def __new__(
        cls,
        path: str,
        *,
        device: int,
        inode: int,
        size_bytes: int,
        uid: Sequence[str],
        ts: Sequence[str],
        stretches: Sequence[tuple[int, int]],
    ) -> HeadStart: ...
    @property
    def is_over(self) -> bool: ...
    def take(self, first: int, count: int) -> ScannedRange | None: ...
    def stop(self) -> None: ...

@final
class BlockClock:
    def __new__(
        cls,
        *,
        lateness_s: int,
        ahead_s: int,
        near_s: int,
        ring: int,
        kth: int,
        least: int,
        earliest_s: int,
        grace_s: int,
    ) -> BlockClock: ...
    def pass_blocks(
        self,
        times: bytes,
        rows: bytes,
        *,
        first: int,
        ring: Sequence[int],
        live: int | None,
        judging: int | None,
        latest_s: int,
        patience: int,
        waiting_s: int,
        until_s: int,
    ) -> Run | None: ...

@final
class CsvRenderer:
    def __new__(
        cls, names: Sequence[str], *, delimiter: str, quote: str | None, prefix: str, max_record_bytes: int
    ) -> CsvRenderer: ...
    def render(self, data: bytes, first_record: int, records: int) -> list[tuple[bytes, int]] | None: ...

@final
class Cutter:
    def __new__(cls, kind: str, *, delimiter: str, quote: str | None, max_record_bytes: int) -> Cutter: ...
    def cut(self, data: bytes, start: int, chunk_bytes: int, is_final: bool) -> tuple[int, int, bool] | None: ...
