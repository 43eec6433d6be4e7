SELECT batch.size_bytes, batch.records AS files, attempt.seconds
FROM batch
JOIN attempt ON attempt.batch_id = batch.id AND attempt.outcome = 'done'
WHERE batch.pipeline = :pipeline AND batch.kind = 'bucket' AND batch.state = 'done'
ORDER BY batch.finished_at DESC
LIMIT :limit
