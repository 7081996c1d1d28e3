ALTER TABLE dead_letter
  DROP KEY tenant_biz;

ALTER TABLE task_file
  DROP KEY remove_at,
  DROP COLUMN remove_at;

ALTER TABLE task
  DROP KEY tenant_finished,
  DROP KEY tenant_user_finished,
  DROP COLUMN request_hash,
  DROP COLUMN deleted_at;
