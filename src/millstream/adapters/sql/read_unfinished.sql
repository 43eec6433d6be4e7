SELECT pipeline, state, COUNT(*) AS batches, SUM(records) AS records, SUM(size_bytes) AS size_bytes
FROM batch WHERE state = 'open' GROUP BY pipeline
UNION ALL
SELECT pipeline, state, COUNT(*) AS batches, SUM(records) AS records, SUM(size_bytes) AS size_bytes
FROM batch WHERE state = 'ready' GROUP BY pipeline
UNION ALL
SELECT pipeline, state, COUNT(*) AS batches, SUM(records) AS records, SUM(size_bytes) AS size_bytes
FROM batch WHERE state = 'running' GROUP BY pipeline
UNION ALL
SELECT pipeline, state, COUNT(*) AS batches, SUM(records) AS records, SUM(size_bytes) AS size_bytes
FROM batch WHERE state = 'waiting' GROUP BY pipeline
