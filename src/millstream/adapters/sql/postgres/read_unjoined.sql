SELECT
    ingestion.message_id, ingestion.sink, chunk.seq, chunk.receipt, chunk.out_bytes AS size_bytes, ingestion.out_bytes
FROM ingestion
CROSS JOIN LATERAL (
    SELECT MIN(earlier.seq) AS seq
    FROM batch
    JOIN chunk AS earlier ON earlier.batch_id = batch.id AND earlier.message_id = batch.key
    WHERE batch.key = ingestion.message_id AND batch.kind IN ('chunk', 'plan')
      AND batch.state IN ('ready', 'running', 'waiting')
) AS unfinished
JOIN chunk ON chunk.message_id = ingestion.message_id AND chunk.unjoined = TRUE
WHERE ingestion.ended_at IS NULL AND ingestion.chunks_unjoined > 0
  AND (unfinished.seq IS NULL OR chunk.seq < unfinished.seq)
ORDER BY ingestion.seq, chunk.seq
LIMIT :limit
