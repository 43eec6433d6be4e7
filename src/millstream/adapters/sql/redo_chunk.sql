UPDATE chunk
SET published = 0, rejected = 0, receipt = '', out_bytes = 0, unjoined = FALSE
WHERE batch_id = :batch_id
