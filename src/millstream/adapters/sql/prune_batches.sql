DELETE FROM batch WHERE state IN ('done', 'discarded') AND finished_at < :before
