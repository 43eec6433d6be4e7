UPDATE batch SET lease_until = :lease_until WHERE id = :batch_id AND fence = :fence AND state = 'running'
