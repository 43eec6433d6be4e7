UPDATE batch
SET state = {cancel.target}, finished_at = :at, lease_until = NULL, not_before = NULL, fence = fence + 1,
    error = 'cancelled'
WHERE (id = :batch_id OR :batch_id IS NULL AND state <> 'dead') AND {cancel.applies}
RETURNING id, kind, key
