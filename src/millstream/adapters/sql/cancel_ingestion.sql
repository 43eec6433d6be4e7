-- All that is unfinished; dead ones stay what they are.
UPDATE batch
SET state = {cancel.target}, finished_at = :at, lease_until = NULL, not_before = NULL, fence = fence + 1,
    error = :reason
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND state IN ('ready', 'running', 'waiting') AND {cancel.applies}
