INSERT INTO pipeline (name, kind) VALUES (:name, :kind)
ON CONFLICT (name) DO NOTHING
