INSERT INTO event (at, batch_id, what, detail) VALUES (:at, :batch_id, :what, :detail)
