SELECT batch_id, pipeline, key, attempts
FROM (
    SELECT *
    FROM (
        SELECT id AS batch_id, pipeline, key, attempts, cost_s, seq
        FROM batch
        WHERE pipeline = :pipeline AND state = 'ready' AND NOT paused
        ORDER BY cost_s DESC, seq
        LIMIT :limit
    ) AS ready
    UNION ALL
    SELECT id AS batch_id, pipeline, key, attempts, cost_s, seq
    FROM batch
    WHERE pipeline = :pipeline AND state = 'waiting' AND NOT paused AND not_before <= :at
) AS due
WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
ORDER BY cost_s DESC, seq
LIMIT :limit
