UPDATE pipeline
SET accepted_records = accepted_records + :records,
    accepted_bytes = accepted_bytes + :size_bytes,
    accepted_at = :at, main_end = :main_end, runs_end = :runs_end, spilled_to = :spilled_to
WHERE name = :pipeline
