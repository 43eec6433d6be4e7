UPDATE batch
SET state = {revive.target}, failures = 0, alone = FALSE, finished_at = NULL, not_before = NULL
WHERE (id = :batch_id OR :batch_id IS NULL) AND {revive.applies}
RETURNING id
