UPDATE batch
SET state = {redo.target}, failures = 0, alone = FALSE, finished_at = NULL, not_before = NULL, paused = :paused,
    error = :error
WHERE id = :batch_id AND {redo.applies}
