INSERT INTO writer (author, number, at) VALUES (:author, :number, now())
ON CONFLICT (author) DO UPDATE SET number = excluded.number, at = excluded.at
