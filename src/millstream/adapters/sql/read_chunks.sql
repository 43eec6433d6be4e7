SELECT
    chunk.*, batch.state, batch.attempts, batch.error, batch.claimed_at, batch.finished_at, batch.not_before,
    batch.owner
FROM chunk
JOIN batch ON batch.id = chunk.batch_id
WHERE chunk.message_id = :message_id AND chunk.seq > :after AND batch.state IN ({chosen})
ORDER BY chunk.seq
LIMIT :limit
