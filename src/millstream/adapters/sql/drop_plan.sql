-- What is behind a border is planned again: what was planned there is given up.
UPDATE batch
SET state = {cancel.target}, finished_at = :at, lease_until = NULL, not_before = NULL, fence = fence + 1,
    error = 'planned again'
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND {cancel.applies}
  AND (kind = 'plan' OR kind = 'chunk' AND id IN (
      SELECT batch_id FROM chunk WHERE message_id = :message_id AND seq >= :seq
  ))
