"""Whose streams are in a ledger that many machines share.

Theory of operation: the records of a stream lie in the spool of one engine, in its state folder, and nowhere else until
workers need them. Another engine that went on with the stream from the same ledger would not find them. So each state
folder has a name of its own, and the ledger keeps under which one a stream was begun. That name is also the space of
its payloads.
"""

import os
import uuid
from pathlib import Path

from millstream.core.operations import SetMeta
from millstream.core.queries import ReadMeta
from millstream.errors import ConfigurationError
from millstream.ports import Ledger
from millstream.runtime.payload import space_key

SPACE = "space"


def own_space(state: Path) -> str:
    """The name of a state folder, which is made up when it is asked for the first time; the folder must be locked."""
    path = state / SPACE
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="ascii") as file:
            file.write(uuid.uuid4().hex)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return path.read_text(encoding="ascii").strip()


async def claim_streams(names: list[str], *, state: Path, ledger: Ledger) -> str:
    """Note that these streams are of this state folder; returns its space.

    Raises ConfigurationError when one is of another.
    """
    space = own_space(state)
    problems = []
    for name in names:
        found = await ledger.read(ReadMeta(key=space_key(name)))
        if found is None:
            await ledger.do(SetMeta(key=space_key(name), value=space))
        elif found != space:
            problems.append(
                f"{name}: state: expected the folder in which this stream of the ledger was begun, with its records, "
                f"found another one ({state}); go on with that folder, or use another --name"
            )
    if problems:
        raise ConfigurationError(problems)
    return space
