UPDATE pipeline SET next_seq = CASE WHEN next_seq > :seq THEN next_seq ELSE :seq + 1 END WHERE name = :pipeline
