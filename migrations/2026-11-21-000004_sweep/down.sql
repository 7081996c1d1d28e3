ALTER TABLE idempotency
  DROP KEY expires_at;

UPDATE task_file SET remove_at = NULL WHERE state = 'AVAILABLE';

ALTER TABLE task
  DROP KEY sweep_at,
  DROP COLUMN sweep_at,
  DROP COLUMN sweep_again_at,
  DROP COLUMN swept_at;
