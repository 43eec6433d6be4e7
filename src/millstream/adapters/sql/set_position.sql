INSERT INTO source (pipeline, source, position, finished) VALUES (:pipeline, :source, :position, :finished)
ON CONFLICT (pipeline, source) DO UPDATE SET position = excluded.position, finished = excluded.finished
