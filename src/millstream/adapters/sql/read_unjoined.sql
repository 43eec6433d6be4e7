-- SQLite would read all ingestions that were ever cancelled, or all chunks of one, if it were not told better.
SELECT
    ingestion.message_id, ingestion.sink, chunk.seq, chunk.receipt, chunk.out_bytes AS size_bytes, ingestion.out_bytes
FROM ingestion
CROSS JOIN chunk INDEXED BY chunk_unjoined
WHERE chunk.message_id = ingestion.message_id AND chunk.unjoined = TRUE
  AND ingestion.ended_at IS NULL AND ingestion.chunks_unjoined > 0
  AND NOT EXISTS (
      SELECT 1
      FROM batch
      JOIN chunk AS earlier ON earlier.batch_id = batch.id
      WHERE batch.key = ingestion.message_id AND batch.kind IN ('chunk', 'plan')
        AND batch.state IN ('ready', 'running', 'waiting') AND earlier.seq < chunk.seq
  )
ORDER BY ingestion.seq, chunk.seq
LIMIT :limit
