SELECT log, dead, MIN(first) AS first
FROM (
    SELECT log, state = 'dead' AS dead,
           CASE WHEN ranges <> '[]' THEN CAST(CAST(ranges AS JSON) -> 0 ->> 0 AS BIGINT)
                WHEN log = 'main' THEN start END AS first
    FROM batch
    WHERE pipeline = :pipeline AND log <> ''
) AS pin
WHERE first IS NOT NULL
GROUP BY log, dead
