SELECT COUNT(*) AS plans
FROM batch
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND state IN ('ready', 'running', 'waiting') AND kind = 'plan'
