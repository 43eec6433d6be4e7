"""The key of a record: the value of one field of a JSON object.

Measured by bench/stream.py (with keys): one typed decode per record, which skips every other field.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

Scalar = str | int | float | bool | None


def json_key_reader(field: str) -> Callable[[Sequence[bytes]], list[str | None]]:
    """A function from records to their keys.

    `field` names a field at the root of the object, or with dots a nested one (`user.id`). Text is taken as it is,
    other scalars as their JSON text; a record that is no JSON object, or whose field is absent, null or no scalar, has
    no key (None).
    """
    *outer, last = field.split(".")
    shape: type = msgspec.defstruct("Leaf", [("key", Scalar, None)], rename={"key": last})
    for name in reversed(outer):
        shape = msgspec.defstruct("Node", [("key", shape | None, None)], rename={"key": name})
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode
    depth = len(outer)

    def key_of(record: bytes) -> str | None:
        try:
            value = decode(record).key
            for _ in range(depth):
                value = value.key
        except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError, RecursionError):
            return None
        if value is None or isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode()

    def read(records: Sequence[bytes]) -> list[str | None]:
        return [key_of(record) for record in records]

    return read
