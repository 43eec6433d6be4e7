UPDATE batch
SET cancelled = TRUE
WHERE (id = :batch_id OR :batch_id IS NULL) AND {close_cancelled.applies} AND NOT cancelled
RETURNING id, kind, key
