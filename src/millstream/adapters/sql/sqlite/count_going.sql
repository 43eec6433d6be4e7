SELECT COALESCE((SELECT jobs FROM going WHERE principal = :principal), 0) AS going
