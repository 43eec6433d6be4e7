UPDATE batch SET log = :log, ranges = :ranges WHERE id = :batch_id AND state = 'dead'
