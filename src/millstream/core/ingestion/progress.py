"""How far an ingestion is, as every document about one tells it."""

from millstream.core.ingestion.rows import IngestionRow


def progress_document(row: IngestionRow) -> dict[str, object]:
    """Bytes, records and chunks of an ingestion as JSON; the keys are what clients and scripts rely on.

    Bytes count up to the size of the file as it is stored, compressed or not. The ledger counts all chunks that are
    planned, here `planned` are those that nobody has begun: each chunk is in one state.
    """
    return {
        "size_bytes": row.file_bytes,
        "bytes_done": row.bytes_passed,
        "records_published": row.records_published,
        "records_rejected": row.records_rejected,
        "chunks": {
            "planned": max(0, row.chunks_planned - row.chunks_running - row.chunks_done - row.chunks_failed),
            "running": row.chunks_running,
            "done": row.chunks_done,
            "failed": row.chunks_failed,
        },
    }
