-- The sweep: what is to be looked at again when nobody works on it any more.

ALTER TABLE task
  -- when the objects that its attempts left behind were last removed
  ADD COLUMN swept_at       DATETIME(6) NULL,
  -- when that is to be done again though the task has not changed since: for what is kept longer
  ADD COLUMN sweep_again_at DATETIME(6) NULL,
  -- "the sweep must look at this task some time after then": its end, until it has been there; null
  -- while it is open and when there is nothing left to do. Follows from the others by itself, so that
  -- whoever ends, opens or deletes a task need not know of the sweep.
  ADD COLUMN sweep_at       DATETIME(6) GENERATED ALWAYS AS (
    IF(finished_at IS NULL, NULL,
       IF(swept_at IS NULL OR swept_at < COALESCE(deleted_at, finished_at),
          COALESCE(deleted_at, finished_at), sweep_again_at))) VIRTUAL,
  ADD KEY sweep_at (sweep_at);

-- A file that can be fetched has its time, too: it has expired then. Set by whoever makes it.
UPDATE task_file SET remove_at = expires_at WHERE state = 'AVAILABLE' AND remove_at IS NULL;

ALTER TABLE idempotency
  ADD KEY expires_at (expires_at);
