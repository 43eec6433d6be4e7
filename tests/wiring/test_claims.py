"""How many batches a worker claims at once."""

import pytest

from millstream.core.ingestion import PIPELINE
from millstream.core.model import Kind
from millstream.wiring.worker import WorkerPipeline, claims_of


@pytest.mark.parametrize(("name", "claims"), [(PIPELINE, 6), ("clicks", 3)])
def test_only_of_short_work_the_next_is_claimed_too(name: str, claims: int) -> None:
    """Chunks take a moment; what a handler takes nobody knows, and another worker may be free."""
    pipeline = WorkerPipeline(name=name, kind=Kind.CHUNK, make=lambda: None, workers=3)  # type: ignore[arg-type, return-value]

    assert claims_of(pipeline) == claims
