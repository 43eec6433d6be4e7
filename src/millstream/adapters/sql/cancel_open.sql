UPDATE batch
SET cancelled = 1
WHERE (:batch_id IS NULL OR id = :batch_id) AND {close_cancelled.applies} AND NOT cancelled
RETURNING id
