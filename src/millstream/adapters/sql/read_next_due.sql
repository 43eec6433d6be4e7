SELECT MIN(at)
FROM (
    SELECT MIN(not_before) AS at FROM batch WHERE pipeline = :pipeline AND state = 'waiting'
    UNION ALL
    SELECT MIN(lease_until) AS at FROM batch WHERE state = 'running'
) AS due
