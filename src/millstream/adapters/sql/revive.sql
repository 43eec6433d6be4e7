UPDATE batch
SET state = {revive.target}, failures = 0, alone = 0, finished_at = NULL, not_before = NULL
WHERE (:batch_id IS NULL OR id = :batch_id) AND {revive.applies}
RETURNING id
