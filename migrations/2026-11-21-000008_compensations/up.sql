-- Business work over HTTP: what a call is known by, and groups that clients name.

ALTER TABLE compensate_biz
  -- Random, the same for all rows that one call inserted: after an unknown COMMIT it tells them from
  -- those that were there before. Null for rows that the house or a plain SQL client inserted.
  ADD COLUMN submit_token BIGINT UNSIGNED NULL;

ALTER TABLE compensate_group
  -- the client's name of it; null for groups of the house's own
  ADD COLUMN group_key  VARCHAR(128) NULL,
  -- who opened it
  ADD COLUMN created_by VARCHAR(128) NULL,
  ADD UNIQUE KEY tenant_group_key (tenant, group_key);
