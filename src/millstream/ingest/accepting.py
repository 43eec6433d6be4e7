"""Names of ingestions.

Theory of operation: a served ingestion gets a new id whose beginning is the time, so ids sort as they were made. One
of `millstream ingest PATH` is named after what it does (which version of which file goes where, and how it is read),
so the same command goes on with the same ingestion, and a file that changed since is another.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from hashlib import blake2b

from millstream.core.ingestion import FileSpec

TIME_DIGITS = 12
RANDOM_BYTES = 10
PATH_PREFIX = "path-"


def new_message_id(at: float, *, draw_bytes: Callable[[int], bytes]) -> str:
    """A new id: 12 hex digits of the Unix time in milliseconds, then 20 random ones."""
    return f"{int(at * 1000):0{TIME_DIGITS}x}{draw_bytes(RANDOM_BYTES).hex()}"


def path_message_id(spec: FileSpec, *, version: str, turn: int = 0) -> str:
    """The id of everything in `spec` (but its own id) done to this version of the file; `turn` counts from 0."""
    told = sorted(_flat(asdict(replace(spec, message_id=""))))
    return PATH_PREFIX + blake2b(repr((told, version, turn)).encode(), digest_size=12).hexdigest()


def _flat(values: dict[str, object], *, under: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, under=f"{under}{name}.")
        else:
            yield f"{under}{name}", repr(str(value)) if value is not None else ""
