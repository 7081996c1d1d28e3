DELETE FROM task_file WHERE task_id IS NULL;
ALTER TABLE task_file
  DROP KEY tenant_user_state,
  DROP COLUMN created_by,
  MODIFY COLUMN task_id BIGINT UNSIGNED NOT NULL;
ALTER TABLE task DROP COLUMN group_id, DROP COLUMN mends, DROP COLUMN errors_by_code;
DROP TABLE import_batch;
DROP TABLE compensate_group;
