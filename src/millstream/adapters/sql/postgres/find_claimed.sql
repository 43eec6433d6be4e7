SELECT pipeline FROM batch WHERE id = :batch_id AND fence = :fence AND {release.applies} FOR UPDATE
