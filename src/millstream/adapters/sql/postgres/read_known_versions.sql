SELECT file.path, file.version
FROM JSON_ARRAY_ELEMENTS(CAST(:wanted AS JSON)) AS wanted
JOIN file ON file.pipeline = :pipeline
         AND file.path = wanted ->> 0
         AND file.version = wanted ->> 1
         AND file.state <> 'superseded'
