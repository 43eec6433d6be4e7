"""The terms on which an engine works its pipelines, as it leaves them in the ledger for those who look in from outside.

Theory of operation: the ledger's rows say what happened to a batch, not how often it may be tried or how many workers
there are. An engine stores that under `TERMS` when it starts, for all of its pipelines at once, so a pipeline that is
not among them is not worked by it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

TERMS = "terms"
"""The key of the ledger's meta table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one pipeline is cut and worked; None where a limit is off."""

    workers: int
    retries: int
    idle_gap_s: float | None = None
    max_count: int | None = None
    max_bytes: int | None = None


def dump_terms(terms: Mapping[str, Terms]) -> str:
    """The terms of all pipelines by name, as JSON text."""
    return json.dumps({name: asdict(own) for name, own in terms.items()})


def load_terms(text: str) -> dict[str, Terms]:
    """Read what `dump_terms` wrote."""
    return {name: Terms(**own) for name, own in json.loads(text).items()}
