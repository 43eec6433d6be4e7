SELECT log, state = 'dead',
       MIN(CASE WHEN ranges <> '[]' THEN json_extract(ranges, '$[0][0]') WHEN log = 'main' THEN start END)
FROM batch
WHERE pipeline = :pipeline AND log <> ''
GROUP BY log, state = 'dead'
