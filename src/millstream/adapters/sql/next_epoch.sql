INSERT INTO meta (key, value) VALUES ('epoch', '1')
ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)
RETURNING CAST(meta.value AS INTEGER)
