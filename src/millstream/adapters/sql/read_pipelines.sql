SELECT name, kind, next_seq, accepted_records, accepted_bytes, accepted_at, main_end, runs_end, spilled_to
FROM pipeline
WHERE name = :name OR :name IS NULL
ORDER BY name
