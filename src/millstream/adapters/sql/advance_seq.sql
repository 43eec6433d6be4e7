UPDATE pipeline SET next_seq = MAX(next_seq, :seq + 1) WHERE name = :pipeline
