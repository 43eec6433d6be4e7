UPDATE batch
SET state = {ripen.target}, not_before = NULL
WHERE pipeline = :pipeline AND {ripen.applies} AND not_before <= :at
