SELECT pipeline, state, COUNT(*), SUM(records), SUM(size_bytes)
FROM batch
WHERE :pipeline IS NULL OR pipeline = :pipeline
GROUP BY pipeline, state
ORDER BY pipeline, state
