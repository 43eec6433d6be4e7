INSERT INTO writer (author, number, at) VALUES (:author, 0, now())
ON CONFLICT (author) DO NOTHING
