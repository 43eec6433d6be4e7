UPDATE batch SET state = {ripen.target}, not_before = NULL WHERE id = :batch_id AND {ripen.applies} AND not_before <= :at
