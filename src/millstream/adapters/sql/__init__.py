"""The ledger's statements, one `.sql` file each, with the life cycle's table filled in.

`{STEP.target}` stands for the state a step leads to, `{STEP.applies}` for the condition that the batch is in a state
it may be taken from, so a guarded UPDATE cannot disagree with `core.lifecycle.TRANSITIONS`.
"""

import re
from functools import cache
from importlib.resources import files

from millstream.core.lifecycle import TRANSITIONS, Step

SCHEMA_VERSION = 1


@cache
def statement(name: str) -> str:
    """The text of the statement `name`, with named parameters `:like_this`."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"\{(\w+)\.(target|applies)\}", _fill, text)


def _fill(found: re.Match[str]) -> str:
    transition = TRANSITIONS[Step(found[1])]
    if found[2] == "target":
        return f"'{transition.target}'"
    if len(transition.sources) == 1:  # spelled as an equality, or partial indexes would not be used
        return f"state = '{transition.sources[0]}'"
    return "state IN (" + ", ".join(f"'{state}'" for state in transition.sources) + ")"
