-- Exports, all of it: deleting, trying again, quotas, live events.

ALTER TABLE task
  -- a deleted task is there for the records and for its idempotency key, and for nobody else
  ADD COLUMN deleted_at   DATETIME(6) NULL,
  -- what open_key was while the task was open, for when a person has it tried again
  ADD COLUMN request_hash CHAR(64)    NULL,
  -- Open tasks (finished_at is null) and those that finished lately: quotas and live events. The
  -- time changes with the first and the last state alone, so heartbeats do not pay for it.
  ADD KEY tenant_user_finished (tenant, created_by, finished_at),
  ADD KEY tenant_finished (tenant, finished_at);

ALTER TABLE task_file
  -- "its object must be removed from storage then": null when there is nothing to be removed
  ADD COLUMN remove_at DATETIME(6) NULL,
  ADD KEY remove_at (remove_at);

ALTER TABLE dead_letter
  ADD KEY tenant_biz (tenant, compensate_biz_id);
