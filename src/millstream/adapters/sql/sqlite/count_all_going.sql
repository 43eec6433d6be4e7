INSERT INTO going (principal, jobs)
SELECT principal, COUNT(*) FROM ingestion WHERE ended_at IS NULL GROUP BY principal
