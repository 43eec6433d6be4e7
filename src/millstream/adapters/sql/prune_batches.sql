-- Those of ingestions go with them.
DELETE FROM batch
WHERE state IN ('done', 'discarded') AND finished_at < :before AND kind NOT IN ('chunk', 'plan')
