UPDATE batch
SET state = {retry.target}, finished_at = NULL, not_before = :not_before,
    failures = failures + :charged, alone = :alone, error = :error, lease_until = NULL
WHERE id = :batch_id AND fence = :fence AND {retry.applies}
RETURNING attempts, claimed_at, owner, kind
