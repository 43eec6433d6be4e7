SELECT pipeline, state, COUNT(*) AS batches, SUM(records) AS records, SUM(size_bytes) AS size_bytes
FROM batch
WHERE :pipeline IS NULL OR pipeline = :pipeline
GROUP BY pipeline, state
ORDER BY pipeline, state
