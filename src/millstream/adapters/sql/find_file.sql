SELECT batch_id
FROM file
WHERE pipeline = :pipeline AND path = :path AND version = :version AND state <> 'superseded'
