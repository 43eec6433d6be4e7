UPDATE batch
SET state = {lose.target}, started_at = NULL, lease_until = NULL
WHERE {lose.applies} AND lease_until <= :at
RETURNING id, attempts, claimed_at, owner
