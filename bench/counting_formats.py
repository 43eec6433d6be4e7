"""What JSON costs: the same frames in other formats, each read to times and hashes by the best reader that Python has.

Every format holds everything that a frame holds, in the form that suits it: MessagePack the same object; Avro
and Arrow the two fields with a schema, and the rest, which has no schema, as JSON text (Avro also as a map of values).
Readers skip what they are not asked for as far as their format lets them. Times are processor times of one thread.
"""

import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import fastavro
import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import ipc
from xxhash import xxh3_64_digest

from millstream import simulate
from millstream.counting.frames.scanner import PythonScanner
from millstream.counting.model import Times, Users

Row = dict[str, str | int | float]
Read = Callable[[], tuple[Times, Users]]

TITLE = "The same frames in other formats, read to times and hashes, one thread"

BLOCK_BYTES = 65_536
BATCH = 1_024
"""Frames of a batch of Arrow."""

VALUE: Mapping[str, object] = {
    "type": "record",
    "name": "Value",
    "fields": [
        {
            "name": "v",
            "type": [
                "null",
                "boolean",
                "long",
                "double",
                "string",
                {"type": "array", "items": "Value"},
                {"type": "map", "values": "Value"},
            ],
        }
    ],
}
FIELDS = ({"name": "uid", "type": "string"}, {"name": "ts", "type": "long"})
REST_FORMS = {"text": "string", "values": {"type": "map", "values": VALUE}}


class Wanted(msgspec.Struct, gc=False):
    """What is wanted of a frame."""

    uid: str
    ts: int


def formats(*, quick: bool) -> list[Row]:
    """A row for each format; all must give the same times and hashes."""
    count, rounds = (5_000, 1) if quick else (200_000, 5)
    lines = list(simulate.frames(count=count, rate_per_s=1_000, users=count // 4, late=0.01, flip=0, seed=11))
    frames = [json.loads(line) for line in lines]
    cases = (_json_block(lines), _json_values(lines), _message_pack(frames))
    cases += (_avro(frames, rest="text"), _avro(frames, rest="values"), _arrow(frames))
    expected = cases[0][2]()
    rows: list[Row] = []
    for name, size_bytes, read in cases:
        assert all(np.array_equal(found, right) for found, right in zip(read(), expected, strict=True)), name
        seconds = min(_cpu_s(read) for _ in range(rounds))
        rows.append(
            {"format": name, "bytes per frame": round(size_bytes / count, 1), "frames/s": round(count / seconds)}
        )
    first = float(rows[0]["frames/s"])
    return [row | {"of JSON": round(float(row["frames/s"]) / first, 2)} for row in rows]


def _cpu_s(read: Read) -> float:
    began = time.process_time()
    read()
    return time.process_time() - began


def _json_block(lines: Sequence[bytes]) -> tuple[str, int, Read]:
    scanner = PythonScanner()
    whole = b"".join(lines)
    blocks, start = [], 0
    while start < len(whole):
        end = whole.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        blocks.append(whole[start:end])
        start = end

    def read() -> tuple[Times, Users]:
        found = [scanner.scan_lines(block) for block in blocks]
        return np.concatenate([part.times for part in found]), np.concatenate([part.users for part in found])

    return "JSON, lines in blocks of 64 KiB (millstream)", len(whole), read


def _json_values(lines: Sequence[bytes]) -> tuple[str, int, Read]:
    scanner = PythonScanner()
    values = [line.rstrip(b"\n") for line in lines]

    def read() -> tuple[Times, Users]:
        found = scanner.scan_values(values)
        return found.times, found.users

    return "JSON, one message per frame (millstream)", sum(map(len, values)), read


def _message_pack(frames: Sequence[Mapping[str, object]]) -> tuple[str, int, Read]:
    values = [msgspec.msgpack.encode(frame) for frame in frames]
    decode = msgspec.msgpack.Decoder(Wanted).decode

    def read() -> tuple[Times, Users]:
        found = list(map(decode, values))
        return _times([frame.ts for frame in found]), _hashes(map(str.encode, [frame.uid for frame in found]))

    return "MessagePack, one message per frame (msgspec)", sum(map(len, values)), read


def _avro(frames: Sequence[Mapping[str, object]], *, rest: str) -> tuple[str, int, Read]:
    written = fastavro.parse_schema(_record(*FIELDS, {"name": "rest", "type": REST_FORMS[rest]}))
    wanted = fastavro.parse_schema(_record(*FIELDS))
    form = _text if rest == "text" else _values
    output = io.BytesIO()
    fastavro.writer(output, written, ({**frame, "rest": form(_rest(frame))} for frame in frames), codec="null")
    data = output.getvalue()

    def read() -> tuple[Times, Users]:
        found = list(fastavro.reader(io.BytesIO(data), wanted))
        return _times([frame["ts"] for frame in found]), _hashes([frame["uid"].encode() for frame in found])

    return f"Avro container, the rest as {rest} (fastavro)", len(data), read


def _record(*fields: Mapping[str, object]) -> dict[str, object]:
    return {"type": "record", "name": "Frame", "fields": list(fields)}


def _arrow(frames: Sequence[Mapping[str, object]]) -> tuple[str, int, Read]:
    schema = pa.schema([("uid", pa.string()), ("ts", pa.int64()), ("rest", pa.string())])
    output = io.BytesIO()
    remaining = iter(frames)
    with ipc.new_stream(output, schema) as writer:
        while part := list(islice(remaining, BATCH)):
            rest = [_text(_rest(frame)) for frame in part]
            columns = [[frame["uid"] for frame in part], [frame["ts"] for frame in part], rest]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    data, options = output.getvalue(), ipc.IpcReadOptions(included_fields=[0, 1])

    def read() -> tuple[Times, Users]:
        times, digests = [], []
        for batch in ipc.open_stream(data, options=options):
            times.append(batch.column("ts").to_numpy())
            digests += map(xxh3_64_digest, batch.column("uid").cast(pa.binary()).to_pylist())
        return np.concatenate(times), _joined(digests)

    return f"Arrow IPC, batches of {BATCH:,} (pyarrow)", len(data), read


def _rest(frame: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in frame.items() if name not in {"uid", "ts"}}


def _text(rest: Mapping[str, object]) -> str:
    return json.dumps(rest, ensure_ascii=False, separators=(",", ":"))


def _values(rest: Mapping[str, object]) -> dict[str, object]:
    return {name: _value(value) for name, value in rest.items()}


def _value(value: object) -> dict[str, object]:
    """A JSON value as a record Value."""
    if isinstance(value, list):
        return {"v": [_value(item) for item in value]}
    if isinstance(value, dict):
        return {"v": {name: _value(item) for name, item in value.items()}}
    return {"v": value}


def _times(seconds: Sequence[int]) -> Times:
    return np.fromiter(seconds, np.int64, len(seconds))


def _hashes(users: Iterable[bytes]) -> Users:
    return _joined(map(xxh3_64_digest, users))


def _joined(digests: Iterable[bytes]) -> Users:
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
