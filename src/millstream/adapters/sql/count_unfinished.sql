SELECT COUNT(*) FILTER (WHERE kind = 'chunk') AS chunks, COUNT(*) FILTER (WHERE kind = 'plan') AS plans
FROM batch
WHERE key = COALESCE(CAST(:message_id AS TEXT), (SELECT key FROM batch WHERE id = :batch_id))
  AND kind IN ('chunk', 'plan') AND state IN ('ready', 'running', 'waiting')
