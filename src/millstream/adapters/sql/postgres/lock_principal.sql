-- So that who counts the ingestions of a principal counts all of them.
SELECT pg_advisory_xact_lock(hashtextextended('millstream ' || CAST(:principal AS TEXT), 0)) IS NULL
