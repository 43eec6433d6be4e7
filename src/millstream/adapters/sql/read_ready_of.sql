SELECT id AS batch_id, pipeline, key, attempts
FROM batch
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND state IN ('ready', 'waiting') AND NOT paused
  AND (state = 'ready' OR not_before <= :at)
  AND (pipeline = :pipeline OR :pipeline IS NULL)
  AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
ORDER BY cost_s DESC, seq
LIMIT :limit
