SELECT pipeline, 'open' AS state, COUNT(*) AS batches, CAST(SUM(records) AS BIGINT) AS records,
       CAST(SUM(size_bytes) AS BIGINT) AS size_bytes
FROM batch WHERE state = 'open' GROUP BY pipeline
UNION ALL
SELECT pipeline, 'ready' AS state, COUNT(*) AS batches, CAST(SUM(records) AS BIGINT) AS records,
       CAST(SUM(size_bytes) AS BIGINT) AS size_bytes
FROM batch WHERE state = 'ready' GROUP BY pipeline
UNION ALL
SELECT pipeline, 'running' AS state, COUNT(*) AS batches, CAST(SUM(records) AS BIGINT) AS records,
       CAST(SUM(size_bytes) AS BIGINT) AS size_bytes
FROM batch WHERE state = 'running' GROUP BY pipeline
UNION ALL
SELECT pipeline, 'waiting' AS state, COUNT(*) AS batches, CAST(SUM(records) AS BIGINT) AS records,
       CAST(SUM(size_bytes) AS BIGINT) AS size_bytes
FROM batch WHERE state = 'waiting' GROUP BY pipeline
