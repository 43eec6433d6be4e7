SELECT pipeline, state, COUNT(*) AS batches, CAST(SUM(records) AS BIGINT) AS records, CAST(SUM(size_bytes) AS BIGINT) AS size_bytes
FROM batch
WHERE pipeline = :pipeline OR :pipeline IS NULL
GROUP BY pipeline, state
ORDER BY pipeline, state
