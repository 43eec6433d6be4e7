"""Make a pipeline known to the ledger."""

from millstream.core.model import Kind
from millstream.core.operations import DeclarePipeline
from millstream.core.rows import PipelineRow
from millstream.errors import ConfigurationError
from millstream.ports import Ledger


async def declare(name: str, *, kind: Kind, ledger: Ledger, at: float) -> PipelineRow:
    """What the ledger knows of the pipeline; raises ConfigurationError when it holds batches of another kind."""
    row = await ledger.do(DeclarePipeline(name=name, kind=kind, at=at))
    if row.kind is not kind:
        problem = f"name: {name!r} is a pipeline of {row.kind} batches here, and not of {kind} ones; use another name"
        raise ConfigurationError([problem])
    return row
