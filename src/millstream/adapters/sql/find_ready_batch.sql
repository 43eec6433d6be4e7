SELECT id
FROM batch
WHERE id = :batch_id AND state = 'ready' AND NOT paused
  AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'paused' AND value = '1')
{skip}
