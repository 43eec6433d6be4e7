-- The first chunk behind a border that was published, or with `begun` may have been.
SELECT chunk.seq
FROM chunk
JOIN batch ON batch.id = chunk.batch_id
WHERE chunk.message_id = :message_id AND chunk.seq >= :seq AND chunk.batch_id <> :batch_id
  AND (batch.state = 'done' OR batch.attempts > 0 AND :begun = 1)
ORDER BY chunk.seq
LIMIT 1
