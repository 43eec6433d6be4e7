UPDATE batch
SET state = {revive.target}, failures = 0, alone = FALSE, finished_at = NULL, not_before = NULL
WHERE (id = :batch_id OR :batch_id IS NULL) AND {revive.applies}
  AND (kind NOT IN ('chunk', 'plan') OR NOT EXISTS (
      SELECT 1 FROM ingestion WHERE message_id = batch.key AND (status = 'cancelled' OR successor <> '')
  ))
RETURNING id, kind, key
