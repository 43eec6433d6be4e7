SELECT batch_id, attempt, claimed_at, ended_at, outcome, seconds, error, owner
FROM attempt WHERE batch_id = :batch_id ORDER BY attempt
