"""Handlers called by themselves."""

from millstream.testing import bucket, minibatch


def test_a_minibatch_can_be_made_of_records():
    """It iterates, counts and checks like one from the spool."""
    batch, context = minibatch([b"one", b"", b"two\xff"], batch_id="a-1", attempt=3, key="k")

    assert list(batch) == [b"one", b"", b"two\xff"]
    assert (batch.id, batch.key, len(batch), context.attempt) == ("a-1", "k", 3, 3)


def test_a_bucket_can_be_made_of_files(tmp_path):
    """Its files carry the identity that the engine would have listed."""
    (tmp_path / "a.csv").write_bytes(b"12345")

    batch, _ = bucket([tmp_path / "a.csv"])

    assert [(file.name, file.size_bytes) for file in batch.files] == [("a.csv", 5)]
    assert batch.size_bytes == 5
