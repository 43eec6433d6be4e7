UPDATE chunk
SET published = :published, rejected = :rejected, receipt = :receipt, out_bytes = :out_bytes, unjoined = :unjoined
WHERE batch_id = :batch_id
