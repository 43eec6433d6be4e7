UPDATE batch SET paused = :paused WHERE id = :batch_id AND paused <> :paused RETURNING id
