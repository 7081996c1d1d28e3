ALTER TABLE compensate_group
  DROP KEY tenant_group_key,
  DROP COLUMN created_by,
  DROP COLUMN group_key;

ALTER TABLE compensate_biz
  DROP COLUMN submit_token;
