SELECT batch_id, pipeline, key, attempts
FROM (
    SELECT id AS batch_id, pipeline, key, attempts, cost_s, seq FROM batch WHERE state = 'ready' AND NOT paused
    UNION ALL
    SELECT id AS batch_id, pipeline, key, attempts, cost_s, seq
    FROM batch
    WHERE state = 'waiting' AND NOT paused AND not_before <= :at
) AS due
WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
ORDER BY cost_s DESC, seq
LIMIT :limit
