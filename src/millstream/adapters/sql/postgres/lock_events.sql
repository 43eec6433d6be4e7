-- Until the transaction has ended nobody else gets numbers of events, so they are seen in the order of their numbers, and
-- who has read up to one has missed none before it.
SELECT pg_advisory_xact_lock(hashtextextended('millstream events ' || current_schema(), 0)) IS NULL
