UPDATE batch SET started_at = :at WHERE id = :batch_id AND fence = :fence AND state = 'running'
