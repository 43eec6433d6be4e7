-- There is one writer only.
SELECT 1
