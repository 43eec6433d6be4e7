DELETE FROM event
WHERE batch_id IN (
    SELECT id
    FROM batch
    WHERE state IN ('done', 'discarded') AND finished_at < :before AND kind NOT IN ('chunk', 'plan')
)
   OR batch_id = '' AND at < :before
