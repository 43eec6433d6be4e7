"""What keeps an engine from having its batches worked, as it leaves it in the ledger for those who look in.

Theory of operation: a batch whose records cannot be put where workers read them, or of which no worker can be told,
stays ready, and nothing in its row says why. The engine stores the reason for the whole pipeline under `hold_key`, and
an empty text when that is over.
"""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why nobody can be told of what is ready, and since when, in engine seconds."""

    since: float
    reason: str


def hold_key(pipeline: str) -> str:
    """The key of the ledger's meta table."""
    return f"hold of {pipeline}"


def dump_hold(hold: Hold | None) -> str:
    """A hold as JSON text, empty without one."""
    return "" if hold is None else json.dumps(asdict(hold))


def load_hold(text: str | None) -> Hold | None:
    """Read what `dump_hold` wrote, or what was never written."""
    return Hold(**json.loads(text)) if text else None
