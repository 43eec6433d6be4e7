-- CROSS JOIN: SQLite must look each version up in `file`, not search the list once for each file.
SELECT file.path, file.version
FROM json_each(:wanted) AS wanted
CROSS JOIN file ON file.pipeline = :pipeline
               AND file.path = json_extract(wanted.value, '$[0]')
               AND file.version = json_extract(wanted.value, '$[1]')
               AND file.state <> 'superseded'
