SELECT id, size_bytes
FROM batch
WHERE pipeline = :pipeline AND state = 'ready' AND NOT paused
  AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
ORDER BY cost_s DESC, seq
LIMIT :limit
