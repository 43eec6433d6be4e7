"""Terms: what an engine leaves in the ledger is read back as it was."""

from millstream.core.terms import Terms, dump_terms, load_terms


def test_terms_survive_the_ledger() -> None:
    """The terms of all pipelines go through text and back."""
    terms = {
        "clicks": Terms(workers=10, retries=5, idle_gap_s=30.0, max_count=1_000, max_bytes=10_000_000),
        "nightly": Terms(workers=1, retries=0),
    }

    assert load_terms(dump_terms(terms)) == terms
