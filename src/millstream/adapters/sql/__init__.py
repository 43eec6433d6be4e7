"""The ledger's statements, one `.sql` file each, with the life cycle's table filled in.

`{STEP.target}` stands for the state a step leads to, `{STEP.applies}` for the condition that the batch is in a state
it may be taken from, so a guarded UPDATE cannot disagree with `core.lifecycle.TRANSITIONS`. `{lock}` stands where a
row must be held until the transaction ends, `{skip}` where one that somebody else holds is passed by. A folder that is
named as a dialect holds what must be said differently there; all other statements are understood by every ledger.
"""

import re
from functools import cache
from importlib.resources import files

from millstream.core.lifecycle import TRANSITIONS, Step

SCHEMA_VERSION = 2
"""A new ledger is made by the statement `schema`, which is version 1, and every `schema_N` after it, in order."""

_NO_LOCKS = {"{lock}": "", "{skip}": ""}
_LOCKS = {
    "": _NO_LOCKS,
    "sqlite": _NO_LOCKS,
    "postgres": {"{lock}": "FOR UPDATE", "{skip}": "FOR UPDATE SKIP LOCKED"},
}


@cache
def statement(name: str, dialect: str = "") -> str:
    """The text of the statement `name`, with named parameters `:like_this`, as a database of `dialect` takes it."""
    folder = files(__package__)
    special = folder.joinpath(dialect, f"{name}.sql") if dialect else None
    found = special if special is not None and special.is_file() else folder.joinpath(f"{name}.sql")
    text = found.read_text(encoding="utf-8")
    for mark, lock in _LOCKS[dialect].items():
        text = text.replace(mark, lock)
    return re.sub(r"\{(\w+)\.(target|applies)\}", _fill, text)


def schema(version: int, dialect: str = "") -> str:
    """What makes a schema of `version` of the one before it."""
    return statement("schema" if version == 1 else f"schema_{version}", dialect)


def _fill(found: re.Match[str]) -> str:
    transition = TRANSITIONS[Step(found[1])]
    if found[2] == "target":
        return f"'{transition.target}'"
    if len(transition.sources) == 1:  # spelled as an equality, or partial indexes would not be used
        return f"state = '{transition.sources[0]}'"
    return "state IN (" + ", ".join(f"'{state}'" for state in transition.sources) + ")"
