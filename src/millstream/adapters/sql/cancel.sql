UPDATE batch
SET state = {cancel.target}, finished_at = :at, lease_until = NULL, not_before = NULL, fence = fence + 1,
    error = 'cancelled'
WHERE (:batch_id IS NULL OR id = :batch_id) AND {cancel.applies}
RETURNING id
