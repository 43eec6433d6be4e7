UPDATE batch
SET state = {revive.target}, failures = 0, alone = FALSE, finished_at = NULL, not_before = NULL, paused = :paused
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND {revive.applies}
RETURNING id, kind
