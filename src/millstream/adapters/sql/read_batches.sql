SELECT * FROM batch WHERE pipeline = :pipeline OR :pipeline IS NULL ORDER BY seq LIMIT :limit
