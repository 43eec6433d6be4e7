UPDATE batch
SET paused = :paused
WHERE key = :message_id AND kind IN ('chunk', 'plan') AND state IN ('ready', 'running', 'waiting', 'dead')
  AND paused <> :paused
