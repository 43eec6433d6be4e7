UPDATE batch
SET state = {discard.target}, finished_at = :at, not_before = NULL,
    failures = failures + :charged, alone = :alone, error = :error, lease_until = NULL
WHERE id = :batch_id AND fence = :fence AND {discard.applies}
RETURNING attempts, claimed_at, owner, kind
