SELECT log, state = 'dead' AS dead,
       MIN(CASE WHEN ranges <> '[]' THEN json_extract(ranges, '$[0][0]') WHEN log = 'main' THEN start END) AS first
FROM batch
WHERE pipeline = :pipeline AND log <> ''
GROUP BY log, state = 'dead'
HAVING first IS NOT NULL
