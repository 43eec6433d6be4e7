SELECT * FROM batch WHERE :pipeline IS NULL OR pipeline = :pipeline ORDER BY seq LIMIT :limit
