SELECT file.path, file.version
FROM json_each(:wanted) AS wanted
JOIN file ON file.pipeline = :pipeline
         AND file.path = json_extract(wanted.value, '$[0]')
         AND file.version = json_extract(wanted.value, '$[1]')
         AND file.state <> 'superseded'
